import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import * as Configuration from "../../../src/coordination/config/Configuration.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { callsIn, connect, factsIn, only, recordedAfter } from "./Wrapped.ts";

const counting = [process.execPath, new URL("server.ts", import.meta.url).pathname, "counts"];

/** Who answered, and which of its answers it was. */
const call = async (client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> => {
  const { content } = await client.callTool({ name, arguments: args });
  return JSON.stringify(content);
};

/** Called again and again until the same answer comes twice: it is kept behind the answer. */
const untilReused = async (client: Client, args: Record<string, unknown>): Promise<string> => {
  for (let last = ""; ;) {
    const answer = await call(client, "search", args);
    if (answer === last) return answer;
    last = answer;
  }
};

const world = Configuration.layer().pipe(Layer.provideMerge(World.natsLog), Layer.provideMerge(NatsServer.layer()));

layer(world, { excludeTestServices: true })("wrap, answers that are given again", (it) => {
  it.effect(
    "come without the server, in another process too, only for tools that were allowed, and are recorded",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const before = (yield* EventLog.use((log) => log.info)).lastSequence;
        const words = ["--cache-tool", "search", "--cache-tool=fails"];
        const open = connect({ data, url, words, server: counting });
        const kept = yield* Effect.scoped(
          Effect.flatMap(open, (client) =>
            Effect.promise(async () => {
              const answer = await untilReused(client, { q: 1, r: 2 });
              assert.strictEqual(await call(client, "search", { r: 2, q: 1 }), answer);
              assert.notStrictEqual(await call(client, "search", { q: 2 }), answer);
              for (const name of ["fails", "write"]) {
                assert.notStrictEqual(await call(client, name), await call(client, name));
              }
              return answer;
            }),
          ),
        );
        const facts = factsIn(yield* recordedAfter(before));
        const reused = only(facts, "ResponseWasReused");
        const calls = callsIn(facts);
        // The last two calls of `q: 1, r: 2` at least, each of them a call with an outcome like any other.
        assert.isAtLeast(reused.length, 2);
        for (const { callKey, name, from } of reused) {
          assert.deepStrictEqual([name, from], ["search", "process"]);
          const found = calls.find((one) => one.call.callKey === callKey);
          assert.deepStrictEqual([found?.call.name, found?.returned?.outcome], ["search", "ok"]);
        }
        assert.isTrue(calls.every(({ returned }) => returned !== undefined));

        // Sharing an answer is tried once, and given up on a machine that is busy beyond measure: then the next one shares its own.
        const known = new Set([kept]);
        for (let isReused = false; !isReused;) {
          const answer = yield* Effect.scoped(
            Effect.flatMap(open, (client) => Effect.promise(() => call(client, "search", { q: 1, r: 2 }))),
          );
          isReused = known.has(answer);
          known.add(answer);
        }
      }),
    // Each wrapped server begins and ends with its recorder, which a busy machine takes seconds for.
    120_000,
  );

  it.effect(
    "follow the configuration while the server runs, and use nothing up of a limit",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const config = yield* Configuration.Configuration;
        const tool = "cache.responses.tools.search";
        yield* config.set({ "limits.search": { per: [], limit: 60, windowMillis: 3_600_000 }, [tool]: {} });
        const client = yield* connect({ data, url, words: ["--cache", "--limits"], server: counting });
        const kept = yield* Effect.promise(() => untilReused(client, { q: 3 }));
        yield* Effect.promise(async () => {
          for (let again = 0; again < 80; again++) assert.strictEqual(await call(client, "search", { q: 3 }), kept);
          assert.notStrictEqual(await call(client, "write"), await call(client, "write"));
        });
        yield* config.set({ [tool]: undefined });
        yield* Effect.promise(async () => {
          while ((await call(client, "search", { q: 3 })) === kept);
        });
        yield* config.set({ [tool]: { ttlMillis: 600_000 } });
        assert.match(yield* Effect.promise(() => untilReused(client, { q: 4 })), /"\d+ \d+"/);
      }),
    120_000,
  );
});
