/**
 * The daemon's share in publishing: it empties the spool of its data folder, also when no publisher runs any more.
 *
 * Room: publish. In: log, spool, Drain. Out: main.
 */
import { Effect, Layer, Result } from "effect";
import { EventLog } from "../log/EventLog.ts";
import { splitUrls } from "../log/NatsCredentialsNats.ts";
import * as SpoolSqlite from "../spool/SpoolSqlite.ts";
import { dirname, join } from "node:path";
import * as AnswerJournal from "./AnswerJournal.ts";
import { drainStep } from "./Drain.ts";
import { KnownTasks } from "./Write.ts";

/** What the spool calls the log of its own data folder, whose address changes. */
export const ownLog = "instance";

/** What the spool calls the log at an address: the address without credentials. */
export const targetOf = (url: string): string => splitUrls(url).url;

/** Where in a data folder the answers lie that are being said. */
export const answersIn = (root: string): string => join(root, "answers");

export interface Options {
  /** The data folder's spool. */
  readonly file: string;
  /** The server's address: commands that were meant for it by name are drained as well as the folder's own. */
  readonly url: string;
}

/** How often an empty spool is looked at. A spool that nobody has made yet costs a look at the folder. */
const idleMillis = 1_000;

/** How often it looks for answers whose process was killed. */
const recoverMillis = 5_000;

const drainTarget = Effect.fnUntraced(function* (options: Options, target: string) {
  const log = yield* EventLog;
  const spool = yield* SpoolSqlite.make({ file: options.file, target });
  const draining = { log, spool, tasks: new KnownTasks(), owner: `daemon-${process.pid}` };
  yield* Effect.addFinalizer(() => Effect.ignore(spool.resign(draining.owner)));
  const drainForEver = Effect.gen(function* () {
    for (;;) {
      const step = yield* Effect.result(drainStep(draining));
      if (Result.isSuccess(step) && step.success._tag === "Drained") continue;
      if (Result.isSuccess(step)) yield* Effect.ignore(spool.resign(draining.owner));
      yield* Effect.sleep(idleMillis);
    }
  });
  yield* Effect.forkScoped(drainForEver);
  const journal = { folder: answersIn(dirname(options.file)), target };
  const recoverForEver = AnswerJournal.recover(journal, spool).pipe(
    Effect.andThen(Effect.sleep(recoverMillis)),
    Effect.forever,
  );
  yield* Effect.forkScoped(recoverForEver);
});

/** Drains for as long as the scope is open. Needs the daemon's log. */
export const layer = (options: Options) =>
  Layer.effectDiscard(
    Effect.forEach(new Set([ownLog, targetOf(options.url)]), (target) => drainTarget(options, target), {
      discard: true,
    }),
  );
