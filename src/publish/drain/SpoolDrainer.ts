/**
 * The daemon's share in publishing: it empties the spool of its data folder, also when no publisher runs any more.
 *
 * Room: publish.
 */
import { Cause, Effect, Exit, Layer } from "effect";
import { EventLog } from "../../log/EventLog.ts";
import { splitUrls } from "../../log/connection/NatsCredentialsNats.ts";
import * as SpoolSqlite from "../../spool/SpoolSqlite.ts";
import { dirname, join } from "node:path";
import * as AnswerJournal from "../thread/AnswerJournal.ts";
import { Drainer } from "./Drain.ts";
import { ownLog } from "./OwnLog.ts";
import { KnownTasks } from "../write/WriteCommand.ts";

export { ownLog };

/** The spool's name of the log at an address: the address without credentials. */
export const targetOf = (url: string): string => splitUrls(url).url;

/** Folder of unfinished answers in a data folder. */
export const answersIn = (root: string): string => join(root, "answers");

export interface Options {
  /** The data folder's spool. */
  readonly file: string;
  /** The server's address: commands that were meant for it by name are drained as well as the folder's own. */
  readonly url: string;
}

/** Poll interval for new commands, milliseconds: a look at the list of what was accepted, without the database. */
const idleMillis = 1_000;
/** A spool that was empty is read so often all the same. */
const emptyMillis = 30_000;

/** Poll interval for answers whose process was killed, milliseconds. */
const recoverMillis = 5_000;

const drainTarget = Effect.fnUntraced(function* (options: Options, target: string) {
  const log = yield* EventLog;
  const spool = yield* SpoolSqlite.make({ file: options.file, target });
  const owner = { pid: process.pid, name: "daemon" };
  const drainer = new Drainer({ log, spool, tasks: new KnownTasks(), owner });
  yield* Effect.addFinalizer(() => drainer.resign);
  const drainForEver = Effect.gen(function* () {
    for (;;) {
      const { mark } = spool;
      const before = mark();
      const step = yield* Effect.exit(drainer.step);
      if (Exit.isSuccess(step) && step.value._tag === "Drained") continue;
      if (Exit.isFailure(step) && Cause.hasDies(step.cause)) yield* Effect.logError("cannot drain", step.cause);
      // A process that cannot deliver at the moment must not be in the way of one that can.
      yield* drainer.resign;
      const isEmpty = Exit.isSuccess(step) && step.value._tag === "Empty";
      let millis = 0;
      do yield* Effect.sleep(idleMillis);
      while (isEmpty && mark() === before && (millis += idleMillis) < emptyMillis);
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
