import { assert, layer } from "@effect/vitest";
import type { CallToolResult } from "@modelcontextprotocol/sdk/types.js";
import { Effect, Layer } from "effect";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as Configuration from "../../../src/coordination/config/Configuration.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { callsIn, connect, factsIn, only, recordedAfter } from "./Wrapped.ts";

const world = Configuration.layer().pipe(Layer.provideMerge(World.natsLog), Layer.provideMerge(NatsServer.layer()));

layer(world, { excludeTestServices: true })("wrap with limits", (it) => {
  it.effect("refuses a call over its limit with words for the model, and records it as refused and not as called", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const config = yield* Configuration.Configuration;
      yield* config.set({
        "limits.echo": { per: ["user", "tool"], only: { tool: "echo" }, limit: 2, windowMillis: 3_600_000 },
      });
      const data = yield* World.temporaryFolder;
      const before = yield* Effect.flatMap(EventLog, ({ info }) => info);
      const answers = yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect({ data, url, words: ["--limits", "--user", "ana"] });
          return yield* Effect.promise(async () => {
            const found: Array<CallToolResult> = [];
            for (let call = 0; call < 5; call++) {
              found.push((await client.callTool({ name: "echo", arguments: { message: "hi" } })) as CallToolResult);
            }
            found.push((await client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } })) as CallToolResult);
            return found;
          });
        }),
      );
      assert.deepStrictEqual(
        answers.map(({ isError = false }) => isError),
        [false, false, true, true, true, false],
      );
      const [text] = answers[2]?.content ?? [];
      assert.match(
        text?.type === "text" ? text.text : "",
        /^The limit echo \(2 in 3600000 ms\) is used up\. echo was not called\. Call it again in \d/,
      );
      assert.isAbove(Number(answers[2]?._meta?.["recollect/retryAfterMillis"]), 3_000_000);
      const facts = factsIn(yield* recordedAfter(before.lastSequence));
      assert.deepStrictEqual(
        callsIn(facts).map(({ call, returned }) => [call.name, returned?.outcome]),
        [
          ["echo", "ok"],
          ["echo", "ok"],
          ["get-sum", "ok"],
        ],
      );
      const [refused, ...more] = only(facts, "CallsRefused");
      assert.deepInclude(refused, { tool: "echo", limit: "echo", user: "ana", count: 3 });
      assert.lengthOf(more, 0);
    }),
  );

  it.effect("obeys the limits of the data folder's file, and records on when that says what cannot be", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* World.temporaryFolder;
      mkdirSync(data, { recursive: true });
      const write = (values: unknown) => writeFileSync(join(data, "config.json"), JSON.stringify(values));
      const sums = (words: ReadonlyArray<string>) =>
        Effect.scoped(
          Effect.flatMap(connect({ data, url, words }), (client) =>
            Effect.promise(async () => {
              const found: Array<boolean> = [];
              for (let call = 0; call < 2; call++) {
                const { isError = false } = await client.callTool({ name: "get-sum", arguments: { a: 1, b: 2 } });
                found.push(isError === true);
              }
              return found;
            }),
          ),
        );
      write({ "limits.sum": { per: [], only: { tool: "get-sum" }, limit: 1, windowMillis: 3_600_000 } });
      assert.deepStrictEqual(yield* sums(["--limits"]), [false, true]);
      write({ "limits.sum": "often" });
      const before = yield* Effect.flatMap(EventLog, ({ info }) => info);
      assert.deepStrictEqual(yield* sums(["--limits", "--cache", "--cache-tool", "get-sum"]), [false, false]);
      assert.lengthOf(callsIn(factsIn(yield* recordedAfter(before.lastSequence))), 2);
    }),
  );
});
