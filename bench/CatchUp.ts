/**
 * The projector catching up from the stream, full-text index on, against bare better-sqlite3 inserting the rows it
 * made, into the same tables with the same indexes, in as many transactions.
 */
import { Context, Effect, Layer } from "effect";
import { join } from "node:path";
import { readModels } from "../projections/all.ts";
import { EventLog } from "../src/log/EventLog.ts";
import { defaultLimits } from "../src/projection/fold/BatchQueue.ts";
import * as Projector from "../src/projection/Projector.ts";
import { insertAll, openBare, type Rows, rowsOf } from "./BareTables.ts";
import { inTurns, perSecond } from "./Harness.ts";
import { temporaryFolder, type World } from "./Servers.ts";

const rounds = 4;

/** Folds the whole stream into a new file; answers with the events per second. */
const catchUp = ({ rooms }: World, events: number, path: string) =>
  Effect.scoped(
    perSecond(
      events,
      Effect.gen(function* () {
        const followers = yield* Layer.build(Projector.layer({ path, projections: readModels }));
        yield* Context.get(followers, Projector.Projector).awaitSequence(events);
      }).pipe(Effect.provide(rooms)),
    ),
  );

/** Closing, which may move the write-ahead log into the file, is timed on neither side. */
const insert = (rows: Rows, events: number, path: string, indexing?: "by transaction") =>
  Effect.scoped(
    perSecond(
      events,
      Effect.acquireRelease(
        Effect.sync(() => openBare(path)),
        (db) => Effect.sync(() => db.close()),
      ).pipe(Effect.map((db) => insertAll(db, rows, indexing))),
    ),
  );

/** Both sides on whatever the log holds now. */
export const compare = Effect.fnUntraced(function* (here: World, what: string) {
  const { lastSequence: events, bytes } = yield* Context.get(here.rooms, EventLog).info;
  const folder = yield* temporaryFolder;
  const first = join(folder, "first.db");
  yield* catchUp(here, events, first);
  const transactions = Math.ceil(events / defaultLimits.events);
  const rows = rowsOf({ file: first, events, transactions });
  const taken = yield* inTurns({
    rounds,
    ours: (round) => catchUp(here, events, join(folder, `ours-${round}.db`)),
    peer: (round) => insert(rows, events, join(folder, `peer-${round}.db`)),
  });
  const stronger = yield* insert(rows, events, join(folder, "stronger.db"), "by transaction");
  return {
    ...taken,
    peerName: `better-sqlite3 inserting the same ${rows.count} rows, ${transactions} transactions, index by trigger`,
    note:
      `with the index filled once a transaction, as ours, the peer makes ${stronger.toFixed(0)} events/s; ` +
      `${events} events, ${(bytes / 1e6).toFixed(0)} MB in the stream: ${what}`,
  };
});
