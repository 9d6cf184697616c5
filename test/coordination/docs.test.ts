import { assert, describe, it, layer } from "@effect/vitest";
import { Effect } from "effect";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { families, type FieldName, fields, known, variableOf } from "../../src/coordination/config/ConfigFields.ts";
import * as NatsServer from "../support/NatsServer.ts";

const root = resolve(import.meta.dirname, "../..");
const page = (name: string) => readFileSync(`${root}/docs/${name}.md`, "utf8");

/** What the page must say of the fields, so that it cannot go stale. */
const table = [
  "| field | default | variable | decides |",
  "|---|---|---|---|",
  ...Object.entries(fields).map(([name, { default: fallback, doc }]) => {
    const text = typeof fallback === "object" ? JSON.stringify(fallback) : String(fallback);
    const shown = known(name)?.secret === undefined ? `\`${text}\`` : "none";
    return `| \`${name}\` | ${shown} | \`${variableOf(name as FieldName)}\` | ${doc} |`;
  }),
  ...Object.entries(families).map(([name, { doc }]) => `| \`${name}.NAME\` | | | ${doc} |`),
].join("\n");

describe("docs/configuration.md", () => {
  it("has every field with its default, its variable and what it decides", () => {
    const [, found] = /<!-- fields -->\n+([^]*?)\n+<!-- \/fields -->/.exec(page("configuration")) ?? [];
    assert.strictEqual(found, table);
  });
});

/** Runs the page's program as a user would write it. */
const run = (name: string, url: string): string => {
  const [, code] = new RegExp(`\`\`\`ts ${name}\\n([^]*?)\`\`\``).exec(page(name)) ?? [];
  assert.isDefined(code);
  const program = `const url = process.env.NATS_URL;\n${code}`;
  const options = { cwd: root, env: { ...process.env, NATS_URL: url }, encoding: "utf8" } as const;
  return execFileSync(process.execPath, ["--input-type=module", "-e", program], options).trim();
};

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the programs of the pages", (it) => {
  it.effect("change and read the configuration, and ask a limit", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      assert.strictEqual(run("configuration", url), "172800000");
      assert.strictEqual(run("limits", url), "");
    }),
  );
});
