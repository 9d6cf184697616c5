import { describe, it } from "@effect/vitest";
import { assert } from "vitest";
import { createHash, randomBytes } from "node:crypto";
import { withoutDigests } from "../../../src/domain/secret/SecretMark.ts";
import { type Redactor } from "../../../src/domain/secret/RedactSecrets.ts";
import { noSettings, redactorOf, rules, type SecretSettings } from "../../../src/domain/secret/SecretSettings.ts";
import { planted, plantedValues } from "../../support/secrets.ts";

const key = new Uint8Array(32);
const redactor = (settings: Partial<SecretSettings> = {}): Redactor => redactorOf({ ...noSettings, ...settings }, key);

/** Places in which a secret stands in real texts. */
const places: ReadonlyArray<readonly [name: string, around: (text: string) => string]> = [
  ["alone", (text) => text],
  ["in a sentence", (text) => `Use ${text} for the deployment, please.`],
  ["on a line of its own", (text) => `before\n${text}\nafter`],
  ["in JSON", (text) => JSON.stringify({ note: text })],
  ["in JSON in JSON", (text) => JSON.stringify(JSON.stringify({ lines: `x\n${text}` }))],
  ["in backquotes", (text) => `run \`${text}\` now`],
  ["in an SQL literal, whose quotes are doubled", (text) => `SELECT '${text.replaceAll("'", "''")}'`],
  ["in colours", (text) => `\u001b[32m${text}\u001b[0m`],
  ["behind a number of a line", (text) => `  42→\t${text}`],
];

describe("secrets in texts", () => {
  it("are found wherever they stand, by a rule of their kind, and nothing of them is left", () => {
    for (const seed of ["a", "b"]) {
      for (const { rule, secret, text } of planted(seed)) {
        for (const [name, around] of places) {
          const given = around(text);
          const redacted = redactor().text(given);
          const where = `${rule} ${name}: ${given}\n${redacted}`;
          assert.notInclude(redacted, secret, where);
          assert.notInclude(redacted, secret.slice(4), where);
          assert.include(redacted, "[redacted:", where);
          if (name === "alone") assert.include(redacted, `[redacted:${rule}:`, where);
        }
      }
    }
  });

  it("are found behind a name in quotes of any number", () => {
    for (const quotes of ["'", '"', "''", '"""', "'''"]) {
      const redacted = redactor().text(`api_key = ${quotes}8fJ2kQ9xZ4mW7pL1${quotes}, next = ""`);
      assert.match(redacted, /^api_key = ['"]{1,3}\[redacted:[a-z-]+:[0-9a-f]{16}\]['"]{1,3}, next = ""$/, quotes);
    }
    assert.strictEqual(redactor().text('api_key = "", next = 1'), 'api_key = "", next = 1');
  });

  it("are found in values by the names that they stand under", () => {
    for (const { secret, value } of plantedValues("a")) {
      const redacted = JSON.stringify(redactor().value(value));
      assert.notInclude(redacted, secret, redacted);
      assert.include(redacted, "[redacted:");
    }
  });

  it("are found behind Basic, whatever name and password the base64 is of, and a word is none", () => {
    for (let length = 5; length < 40; length++) {
      const secret = Buffer.from(`user:${"k".repeat(length)}-x`).toString("base64");
      assert.notInclude(redactor().text(`send it as Basic ${secret} then`), secret);
      assert.notInclude(redactor().text(`Authorization: Basic ${secret}`), secret);
    }
    const words = "Basic understanding of basic requirements, BASIC authentication";
    assert.strictEqual(redactor().text(words), words);
  });

  it("are replaced alone: what stands around them is as it was", () => {
    const [first] = planted("a");
    assert.isDefined(first);
    assert.strictEqual(
      withoutDigests(redactor().text(`before ${first?.text} after`)),
      `before [redacted:${first?.rule}] after`,
    );
    const url = redactor().text("redis://app:s3cr3t-9a@cache:6379/0");
    assert.match(url, /^redis:\/\/app:\[redacted:url-password:[0-9a-f]{16}\]@cache:6379\/0$/);
    assert.match(
      redactor().text("PGPASSWORD=abc12345xyz psql"),
      /^PGPASSWORD=\[redacted:password:[0-9a-f]{16}\] psql$/,
    );
  });

  it("that are equal have equal marks, others have others, and under another key all are others", () => {
    const one = redactor();
    const marks = planted("a").map(({ text }) => one.text(text));
    assert.deepStrictEqual(
      planted("a").map(({ text }) => one.text(text)),
      marks,
    );
    const [shaped = ""] = marks;
    const foreign = redactorOf(noSettings, randomBytes(32)).text(planted("a")[0]?.text ?? "");
    assert.notStrictEqual(foreign, shaped);
    assert.strictEqual(withoutDigests(foreign), withoutDigests(shaped));
    assert.notStrictEqual(one.text(planted("b")[0]?.text ?? ""), shaped);
  });

  it("are counted by their rule", () => {
    const one = redactor();
    for (const { text } of planted("a")) one.text(text);
    let all = 0;
    for (const count of one.counts.values()) all += count;
    assert.isAtLeast(all, planted("a").length);
    for (const rule of one.counts.keys()) assert.include(rules, rule);
  });

  it("are redacted once: a second time changes nothing, and what holds none is the same object", () => {
    const one = redactor();
    for (const { text } of planted("a")) {
      const once = one.text(`${text}\n{"token": "${text}"}`);
      assert.strictEqual(one.text(once), once);
    }
    for (const { value } of plantedValues("a")) {
      const once = one.value(value);
      assert.strictEqual(one.value(once), once);
    }
    const plain = { text: "nothing to see", list: [1, null, { deep: ["words"] }] };
    assert.strictEqual(one.value(plain), plain);
  });
});

const hex = (algorithm: string) => createHash(algorithm).update("x").digest("hex");
const image = randomBytes(60_000).toString("base64");

/** What transcripts are full of, and is no secret. */
const ordinary: ReadonlyArray<string> = [
  `commit ${hex("sha1")}`,
  `sha256:${hex("sha256")} image digest`,
  `"integrity": "sha512-${createHash("sha512").update("y").digest("base64")}"`,
  "018f3a5e-7d2c-7c11-9f2e-0a1b2c3d4e5f",
  `data:image/png;base64,${image}`,
  '{"type":"tool_use","id":"toolu_01A09q90qw90lq917835lq9","name":"Bash"}',
  '{"usage":{"input_tokens":12345678,"cache_creation_input_tokens":4096},"max_tokens":8192}',
  '"nextPageToken": "CiAKGjBpNDd2Nmp2Zml2cXRwYjBpOXA"',
  "progressToken: 1234567890abcdef",
  "const token = await getToken(request.headers.authorization);",
  "password = os.environ['DB_PASSWORD']",
  "password: string; token?: string;",
  "API_KEY=your-api-key-here",
  "export OPENAI_API_KEY=sk-...",
  "apiKey: process.env.OPENAI_API_KEY",
  'password: "${{ secrets.MACOS_SIGN_PASSWORD }}"',
  "postgres://user:password@localhost/db and https://user:${PASSWORD}@host/",
  "The password must have 12 characters or more.",
  "Tests: 12 passed, pass: 1234, fail: 0",
  "ssh://git@github.com/owner/repo.git",
  "PWD=/home/user/project-1/src OLDPWD=/tmp/x1",
  "sk-learn-a-rather-long-hyphenated-name and task-0123456789abcdef01234567",
  'class="sk-folding-cube-container" id=key-value-store',
  "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
  "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
  "|-----|-----------------------|----|",
  "AKIAIOSFODNN7EXAMPL and eyJ is how it begins",
  "secret: [REDACTED], token=***************",
  "msg_01XFDUDYJgAACzvnptvVoYEL req_011CSHoEeqs5C35K2UUqR7Fy",
  "https://example.com/a/very/long/path-with-dashes?page_token=abc&session=1",
];

describe("what is no secret", () => {
  it("is left as it is: hashes, ids, images, lock files, counts, code and placeholders", () => {
    for (const text of ordinary) assert.strictEqual(redactor().text(text), text);
    const values = { image: { type: "image", data: image }, sha: hex("sha512"), tokens: 5, password: "", token: null };
    assert.strictEqual(redactor().value(values), values);
  });
});

describe("the configuration of secrets", () => {
  const token = "acme_0123456789abcdefghij";

  it("switches rules off, adds names and shapes, and lets digests through", () => {
    const [first] = planted("a");
    const text = first?.text ?? "";
    assert.strictEqual(redactor({ off: [first?.rule ?? ""] }).text(text), text);
    assert.strictEqual(redactor().text(token), token);
    const pattern = { prefix: "acme_", alphabet: "alnum", least: 20, most: 64 } as const;
    assert.match(redactor({ patterns: { acme: pattern } }).text(token), /^\[redacted:acme:/);
    const said = { "x-acme-license": "word" };
    assert.strictEqual(redactor().value(said), said);
    assert.match(JSON.stringify(redactor({ names: ["X_Acme_License"] }).value(said)), /configured-name/);
    const digest = /:([0-9a-f]{16})\]/.exec(redactor().text(text))?.[1] ?? "";
    assert.strictEqual(redactor({ allowed: [digest] }).text(text), text);
  });
});

describe("the pass over a text", () => {
  it("is linear whatever the text says", () => {
    const long = 300_000;
    const hostile = [
      "-----BEGIN RSA PRIVATE KEY-----\n",
      "://a:b",
      "password=",
      'password="',
      '\\"token\\":',
      "eyJhbGciOiJIUzI1NiJ9.",
      "--token ",
      "a-",
      "Bearer ",
      "cookie: ",
      "\\",
      "hooks.slack.com/services/",
    ].map((piece) => piece.repeat(long / piece.length));
    // Each takes milliseconds. The square of a length would be minutes, and the test's time would be over.
    for (const text of [...hostile, "a".repeat(long), "sk-".repeat(long / 3), "[redacted:".repeat(800_000)])
      assert.isNotEmpty(redactor().text(text), text.slice(0, 40));
  });
});
