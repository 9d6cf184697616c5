import * as NodeServices from "@effect/platform-node/NodeServices";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Schedule, Stream } from "effect";
import { Query } from "../../../src/query/Query.ts";
import * as QuerySqlite from "../../../src/query/QuerySqlite.ts";
import * as Child from "../../support/Child.ts";
import { program as main } from "../../support/program.ts";
import { everything } from "./Wrapped.ts";

const calls = 1000;

/** How the calls of the store ended, by outcome. */
const outcomes = Effect.fnUntraced(function* (path: string) {
  const found = yield* Effect.gen(function* () {
    const query = yield* Query;
    const { rows } = yield* query.sql("SELECT outcome, count(*) FROM v_tool_calls WHERE tool_name = 'echo' GROUP BY 1");
    return [...(yield* Stream.runCollect(rows))];
  }).pipe(Effect.scoped, Effect.provide(QuerySqlite.layer({ path })));
  return Object.fromEntries(found.map(([outcome, count]) => [String(outcome), Number(count)])) as Record<
    string,
    number
  >;
});

describe("a server wrapped while its daemon dies", () => {
  it.live(
    "has all of its 1,000 calls in v_tool_calls, once each, when the daemon is back",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const data = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-wrap-" });
        const daemon = yield* Child.start({ file: main, args: ["up", "--json", "--data", data] });
        const client = new Client({ name: "a test", version: "1.2.3" });
        const args = [main, "wrap", "--data", data, "--thread", "t", "--", ...everything];
        yield* Effect.acquireRelease(
          Effect.promise(() =>
            client.connect(new StdioClientTransport({ command: process.execPath, args, stderr: "ignore" })),
          ),
          () => Effect.promise(() => client.close()),
        );
        const call = (number: number) =>
          Effect.promise(() => client.callTool({ name: "echo", arguments: { message: `call ${number}` } }));
        for (let number = 0; number < 300; number++) yield* call(number);
        yield* daemon.kill("SIGKILL");
        for (let number = 300; number < 700; number++) yield* call(number);
        yield* Child.start({ file: main, args: ["up", "--json", "--data", data] });
        for (let number = 700; number < calls; number++) yield* call(number);
        yield* Effect.promise(() => client.close());
        const found = yield* outcomes(`${data}/recollect.db`).pipe(
          Effect.repeat({
            until: (counts) => (counts["ok"] ?? 0) >= calls,
            schedule: Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(300)]),
          }),
        );
        assert.deepStrictEqual(found, { ok: calls });
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    60_000,
  );
});
