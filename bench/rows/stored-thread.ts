/** What a thread of 2,000 messages takes once it is in the stream, in its snapshot and in SQL. */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { EventLog } from "../../src/log/EventLog.ts";
import { folding } from "../../src/main/Folding.ts";
import * as Projector from "../../src/projection/Projector.ts";
import * as Snapshotter from "../../src/snapshot/Snapshotter.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { partsText, storedBytes } from "../StoredBytes.ts";
import { conversations, eventOf } from "../Workload.ts";

const messages = 2_000;
const perAppend = 250;
const megabyte = 1e6;

/** Appends them, lets all that follows the log catch up, and ends it cleanly. Answers with the bytes of the bodies. */
const fill = Effect.fnUntraced(function* (storeFolder: string, database: string) {
  const { rooms } = yield* world({ storeFolder });
  const followers = yield* Layer.build(folding(database)).pipe(Effect.provide(rooms));
  const log = Context.get(rooms, EventLog);
  let bytes = 0;
  let expected = 0;
  for (const { history, spoken } of conversations({ name: "stored", count: 1, turns: messages })) {
    for (let at = 0; at < spoken.length; at += perAppend) {
      const events = yield* Effect.forEach(spoken.slice(at, at + perAppend), (said) => eventOf(history, said));
      for (const { body } of events) bytes += Buffer.byteLength(body);
      expected = (yield* log.append({ history, events, expected })).sequence;
    }
  }
  yield* Context.get(followers, Projector.Projector).awaitSequence(expected);
  yield* Context.get(followers, Snapshotter.Snapshotter).flush;
  return bytes;
}, Effect.scoped);

const run = Effect.gen(function* () {
  const folder = yield* temporaryFolder;
  const [storeFolder, database] = [join(folder, "nats"), join(folder, "recollect.db")];
  const bytes = yield* fill(storeFolder, database);
  const { parts, total } = storedBytes(storeFolder, database);
  return {
    ours: total / megabyte,
    peer: bytes / megabyte,
    peerName: "bytes of the events' bodies",
    note: partsText(parts),
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "stored-thread",
  what: `stream, KV and SQL of a thread of ${messages.toLocaleString("en-US")} messages`,
  unit: "MB",
  goal: { of: "ratio", is: "at most", limit: 3 },
  run,
};
