import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";

const root = new URL("../../../", import.meta.url).pathname;
/** What needs an SDK that is too large for every clone is run by the drill. */
const examples = readdirSync(`${root}examples/sdk`).filter((name) => name !== "langgraph.ts");
/** What an example prints when it did what it says. */
const says: Readonly<Record<string, RegExp>> = {
  "a2a.ts": /contextId: 'weather'[^]*totalSize: 1/,
  "ai-sdk.ts": /id: 'm1'[^]*1 function/,
  "claude-agent-sdk.ts": /uuid: 'u1'[^]*mtime: \d+/,
  "mcp-sdk.ts": /status: 'working'/,
  "openai-agents.ts": /content: 'Will it rain in Ghent\?'/,
};

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the examples of SDK entry points", (it) => {
  it.effect("run, each in ten lines or little more, and their lines are those of the page", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      const env = { ...process.env, RECOLLECT_NATS_URL: url, RECOLLECT_DATA: data };
      assert.deepStrictEqual(examples.toSorted(), Object.keys(says).toSorted());
      const page = readFileSync(`${root}docs/sdk.md`, "utf8");
      const run = Effect.fnUntraced(function* (name: string) {
        const child = spawn(process.execPath, [`examples/sdk/${name}`], { cwd: root, env });
        let out = "";
        child.stdout.on("data", (bytes) => (out += bytes));
        child.stderr.on("data", (bytes) => (out += bytes));
        const [code] = yield* Effect.promise(() => once(child, "close"));
        assert.strictEqual(code, 0, `${name}: ${out}`);
        assert.match(out, says[name] ?? /^$/, name);
        const text = readFileSync(`${root}examples/sdk/${name}`, "utf8");
        const region = /#region \w+\n([^]*?)\n\/\/ #endregion/.exec(text)?.[1] ?? "";
        assert.isAtMost(region.split("\n").length, 16, name);
        assert.include(page, region, `docs/sdk.md shows ${name} as it is`);
      });
      yield* Effect.forEach(examples, run, { concurrency: 2 });
    }),
  );
});
