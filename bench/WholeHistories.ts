/**
 * Every message of a thread whose snapshot has expired, from the ledger as a process has it that knows the database,
 * against the same history replayed from the stream by batched direct gets.
 */
import Database from "better-sqlite3";
import { Context, Effect, Layer, Stream } from "effect";
import type { History } from "../src/domain/History.ts";
import { EventLog } from "../src/log/EventLog.ts";
import * as HistorySourceSqlite from "../src/query/HistorySourceSqlite.ts";
import * as HistoryService from "../src/snapshot/HistoryServiceNats.ts";
import { HistorySource } from "../src/snapshot/HistorySource.ts";
import * as ThreadReader from "../src/snapshot/ThreadReader.ts";
import { greatStream } from "./GreatStream.ts";
import { inTurns, percentile, timed } from "./Harness.ts";

/** The bodies of a history by one prepared statement, parsed: the least that anybody could do. */
const bareSelect = (database: string, history: History) => {
  const db = new Database(database, { readonly: true });
  const select = db.prepare<[string], { readonly data: string }>(
    "SELECT data FROM events WHERE history_id = (SELECT name FROM names WHERE text = ?) ORDER BY sequence",
  );
  const taken = Array.from({ length: 5 }, () => {
    const began = performance.now();
    for (const { data } of select.all(history.id)) JSON.parse(data);
    return performance.now() - began;
  });
  db.close();
  return percentile(taken);
};

/** The ledger here, or as a process without it has it: asked of one that answers over NATS. */
const sourceOf = Effect.fnUntraced(function* (from: "here" | "over NATS") {
  const { database, rooms } = yield* greatStream;
  const here = yield* HistorySourceSqlite.make({ path: database });
  if (from === "here") return here;
  yield* Layer.build(HistoryService.serve).pipe(Effect.provideService(HistorySource, here), Effect.provide(rooms));
  const there = yield* Layer.build(HistoryService.layer).pipe(Effect.provide(rooms));
  return Context.get(there, HistorySource);
});

export const wholeHistory = Effect.fnUntraced(function* (options: {
  readonly history: History;
  readonly messages: number;
  readonly rounds: number;
  readonly from?: "here" | "over NATS";
}) {
  const { from = "here", history, messages, rounds } = options;
  const { database, note, rooms } = yield* greatStream;
  const log = Context.get(rooms, EventLog);
  const source = yield* sourceOf(from);
  const reader = yield* Layer.build(ThreadReader.layer()).pipe(
    Effect.provideService(HistorySource, source),
    Effect.provide(rooms),
    Effect.map(Context.get(ThreadReader.ThreadReader)),
  );
  const counted = (found: Effect.Effect<number, unknown>) =>
    Effect.flatMap(found, (count) =>
      count === messages ? Effect.void : Effect.die(`${count} messages instead of ${messages}`),
    );
  const taken = yield* inTurns({
    rounds,
    ours: () => timed(counted(Stream.runCount(reader.messages(history.id)))),
    peer: () => timed(counted(Stream.runCount(log.read({ history })))),
  });
  const bare = bareSelect(database, history);
  return {
    ...taken,
    peerName: "its events from the stream, batched direct gets",
    note: `${note}; a bare SELECT with JSON.parse of the bodies takes ${bare.toFixed(2)} ms`,
  };
});
