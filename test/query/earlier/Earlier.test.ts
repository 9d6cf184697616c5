import { assert, describe, it } from "@effect/vitest";
import { Context, Effect, Fiber } from "effect";
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { Query } from "../../../src/query/Query.ts";
import { make } from "../../../src/query/earlier/EarlierStoresSqlite.ts";
import { mostKept } from "../../../src/query/earlier/EarlierStores.ts";
import { conversation } from "../../projection/Conversation.ts";
import { folded } from "../../projection/World.ts";

const count = 120;
const then = 71;

/** A busy machine is asked again, as a person would. */
const patiently = <A, E extends { readonly _tag: string }, R>(asked: Effect.Effect<A, E, R>) =>
  asked.pipe(Effect.retry({ while: ({ _tag }) => _tag === "NotFoldedYet", times: 10 }));

const filesIn = (file: string) => readdirSync(dirname(file)).filter((name) => /\.earlier-\d+-\d+$/.test(name));

describe("the stores of earlier moments", () => {
  it.live(
    "answer as of then, are folded once for all who ask, and leave nothing behind",
    () =>
      Effect.gen(function* () {
        const events = conversation(count);
        const { file } = yield* folded(events);
        const early = yield* folded(events.slice(0, then));
        yield* Effect.scoped(
          Effect.gen(function* () {
            const stores = yield* make({ path: file });
            const last = (sequence: number) =>
              patiently(
                Effect.gen(function* () {
                  const { sequence: found, services } = yield* stores.at({ sequence });
                  assert.strictEqual(found, sequence);
                  const query = Context.get(services, Query);
                  return (yield* query.select("SELECT thread_id, title, messages FROM v_threads ORDER BY 1")).rows;
                }).pipe(Effect.scoped),
              );
            const both = yield* Effect.all([last(then), last(then)], { concurrency: 2 });
            const expected = early
              .rows("SELECT thread_id, title, messages FROM v_threads ORDER BY 1")
              .map((row) => Object.values(row));
            for (const rows of both) assert.deepStrictEqual(rows, expected as never);
            assert.lengthOf(filesIn(file), 1);
            yield* last(then - 1);
            yield* last(then - 2);
            assert.lengthOf(filesIn(file), mostKept, "the one that was used last before all others is gone");
          }),
        );
        assert.deepStrictEqual(filesIn(file), []);
      }).pipe(Effect.scoped),
    120_000,
  );

  it.live(
    "refuse what has not come yet, and whoever asks for another moment meanwhile is told to come again",
    () =>
      Effect.gen(function* () {
        const { file } = yield* folded(conversation(count));
        const stores = yield* make({ path: file });
        const at = (sequence: number) => Effect.scoped(Effect.asVoid(stores.at({ sequence })));
        assert.match((yield* Effect.flip(at(count + 1))).message, /There is no event 121 yet/);
        const first = yield* Effect.forkChild(at(then));
        yield* Effect.yieldNow;
        const told = yield* Effect.flip(at(then + 1));
        assert.strictEqual(told._tag, "NotFoldedYet");
        assert.match(told.message, /then comes that of event 72/);
        yield* Fiber.await(first);
        yield* patiently(at(then));
      }).pipe(Effect.scoped),
    120_000,
  );
});
