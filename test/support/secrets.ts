/**
 * Secrets that are none: made at run time, one of every shape and name that is looked for, so that no file of this
 * repository holds anything that looks like one.
 */
import { createHash } from "node:crypto";
import { type Alphabet, type Shape, shapes } from "../../src/domain/secret/SecretShapes.ts";

const alphabets: { readonly [_ in Alphabet]: string } = {
  alnum: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
  word: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
  hex: "0123456789abcdef",
  upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
  base32: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
};

/** The same characters for the same seed, digits among them. */
const characters = (seed: string, alphabet: Alphabet, length: number): string => {
  const all = alphabets[alphabet];
  let text = "";
  for (let block = 0; text.length < length; block++) {
    for (const byte of createHash("sha512").update(`${seed} ${block}`).digest()) text += all[byte % all.length];
  }
  const digits = alphabet === "base32" ? "274" : "193";
  return (digits + text).slice(0, length);
};

/** A token of a shape. */
const tokenOf = ({ alphabet, before = "", dotted, least, most, prefix, rule }: Shape, seed: string): string => {
  const length = Math.min(most, Math.max(least, 24));
  const tail = dotted === undefined ? "" : `.${characters(`${seed} tail`, "alnum", Math.max(dotted, 43))}`;
  return `${before}${prefix}${characters(`${rule} ${prefix} ${seed}`, alphabet, length)}${tail}`;
};

/** How a secret stands in a text, and which part of it must not be found anywhere. */
export interface Planted {
  readonly rule: string;
  readonly text: string;
  readonly secret: string;
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token as its shape needs it to stand: what begins behind a colon has something before it. */
const shaped = (seed: string): ReadonlyArray<Planted> =>
  shapes.map((shape) => {
    const token = tokenOf(shape, seed);
    const text = shape.before === ":" ? `1234567890${token}` : token;
    return { rule: shape.rule, text, secret: token };
  });

/** Of every kind, different for each seed. */
export const planted = (seed: string): ReadonlyArray<Planted> => {
  const any = (name: string, length = 24) => characters(`${seed} ${name}`, "alnum", length);
  const key = Array.from({ length: 12 }, (_, line) => characters(`${seed} key ${line}`, "alnum", 64)).join("\n");
  const jwt = `${base64url({ alg: "HS256", typ: "JWT" })}.${base64url({ sub: seed, exp: 1 })}.${any("signature", 43)}`;
  const pem = (label: string) => `-----BEGIN ${label}-----\n${key}\n-----END ${label}-----`;
  const basic = Buffer.from(`user:${any("basic")}`).toString("base64");
  const one = (rule: string, secret: string, text: (secret: string) => string): Planted => ({
    rule,
    secret,
    text: text(secret),
  });
  return [
    ...shaped(seed),
    one("jwt", jwt, (secret) => secret),
    one("private-key", key.slice(0, 64), () => pem("RSA PRIVATE KEY")),
    one("private-key", key.slice(64, 128), () => pem("OPENSSH PRIVATE KEY")),
    one("private-key", key.slice(130, 190), () => JSON.stringify(pem("PRIVATE KEY"))),
    one("private-key", key.slice(130, 190), () => pem("PGP PRIVATE KEY BLOCK")),
    one("private-key", key.slice(0, 64), () => `-----BEGIN EC PRIVATE KEY-----\n${key}`),
    one("url-password", any("url", 12), (secret) => `postgres://app:${secret}@db.internal:5432/app`),
    one("url-password", `${any("url at", 6)}@9`, (secret) => `amqp://app:${secret}@queue/`),
    one("url-password", any("url token"), (secret) => `https://${secret}@git.internal/repo.git`),
    one("bearer-token", any("bearer", 32), (secret) => `curl -H "X-Auth: Bearer ${secret}"`),
    one("authorization", any("header", 32), (secret) => `Authorization: Bearer ${secret}`),
    one("basic-auth", basic, (secret) => `send it as Basic ${secret} then`),
    one("authorization", basic, (secret) => `"authorization": "Basic ${secret}"`),
    one("cookie", any("cookie"), (secret) => `Cookie: theme=dark; session=${secret}`),
    one("cookie", any("set-cookie"), (secret) => `{"set-cookie": "sid=${secret}; Path=/; HttpOnly"}`),
    one("password", any("flag", 12), (secret) => `mysql --user root --password ${secret} -h db`),
    one("password", any("flag=", 12), (secret) => `backup --db-password=${secret} --quiet`),
    one("password", any("curl", 12), (secret) => `curl -u admin:${secret} https://internal/`),
    one("password", any("variable", 12), (secret) => `export PGPASSWORD=${secret}`),
    one("password", any("yaml", 12), (secret) => `database:\n  password: ${secret}\n`),
    one("password", any("json", 12), (secret) => JSON.stringify({ password: secret })),
    one("password", any("json in json", 12), (secret) => JSON.stringify(JSON.stringify({ password: secret }))),
    one("password", any("go", 12), (secret) => `dbPassword := "${secret}"`),
    one("named-key", any("key", 40), (secret) => `AWS_SECRET_ACCESS_KEY=${secret}`),
    one("named-key", any("code", 32), (secret) => `const apiKey = '${secret}';`),
    one("named-key", any("header key", 32), (secret) => `X-Api-Key: ${secret}`),
    one("named-secret", any("client", 32), (secret) => `client_secret=${secret}&grant_type=client_credentials`),
    one("named-token", any("query", 32), (secret) => `GET /hook?access_token=${secret}&page=2`),
    one("named-token", any("npmrc", 36), (secret) => `//registry.internal/:_authToken=${secret}`),
    one("signed-url", any("amz", 64), (secret) => `https://bucket.internal/key?X-Amz-Signature=${secret}`),
    one("slack-webhook", any("hook"), (secret) => `https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/${secret}`),
    one(
      "discord-webhook",
      any("discord", 68),
      (secret) => `https://discord.com/api/webhooks/123456789012345678/${secret}`,
    ),
  ];
};

/** Values in whose structure, and not in a text, a name says that they are secret. */
export const plantedValues = (seed: string): ReadonlyArray<{ readonly value: unknown; readonly secret: string }> => {
  const secret = (name: string) => characters(`${seed} value ${name}`, "alnum", 20);
  return [
    { value: { password: secret("field") }, secret: secret("field") },
    { value: { env: { DB_PASS: secret("env") } }, secret: secret("env") },
    { value: { env: [{ name: "API_KEY", value: secret("listed") }] }, secret: secret("listed") },
    { value: { headers: { authorization: `Bearer ${secret("header")}` } }, secret: secret("header") },
    { value: { headers: [["x-api-key", secret("pair")]] }, secret: secret("pair") },
    { value: { argv: ["deploy", "--client-secret", secret("argv"), "--now"] }, secret: secret("argv") },
    { value: { clientSecret: secret("camel") }, secret: secret("camel") },
    { value: { passphrase: "correct horse battery staple 7" }, secret: "correct horse battery staple 7" },
  ];
};
