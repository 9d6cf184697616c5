/**
 * Whether the database that lies in a data folder can be asked as it is, or the store must first bring it up to date.
 *
 * Room: main.
 *
 * With its server away the database is asked as it is, and says how far it reaches: what it has is worth reading.
 *
 * Asking costs a command 20 ms, starting a store half a second. The database lacks something when there is none, when
 * another version made it, when a publisher has spooled commands while nobody ran, or when the events come from a
 * server of somebody else's, who may have got more meanwhile.
 */
import { Effect, FileSystem, Layer, Option, Schedule } from "effect";
import { readModels } from "../../projections/all.ts";
import { caughtUp } from "../edge/cli/CaughtUp.ts";
import * as Output from "../edge/cli/Output.ts";
import * as Progress from "../edge/cli/Progress.ts";
import type { NatsUnusable } from "../log/connection/NatsUnusable.ts";
import type { DataFolder } from "../machine/DataFolder.ts";
import { peek } from "../projection/write/WriteLockSqlite.ts";
import { ownLog } from "../publish/drain/SpoolDrainer.ts";
import { Query } from "../query/Query.ts";
import * as SpoolSqlite from "../spool/SpoolSqlite.ts";
import { querying } from "./Layers.ts";

type Folder = DataFolder["Service"];

/** A spool of 100,000 commands is drained in less; what stays longer, the log does not take. */
const drainPatienceMillis = 30_000;

/** Commands that wait in the spool for the folder's own log. */
const waiting = (folder: Folder) =>
  SpoolSqlite.make({ file: folder.spool, target: ownLog }).pipe(
    Effect.flatMap((spool) => spool.state),
    Effect.map((state) => state.waiting),
    Effect.orElseSucceed(() => 0),
    Effect.scoped,
  );

/** Whether this version made the database. One that cannot be read is asked, so that the question says why. */
const isOurs = Effect.fnUntraced(function* (folder: Folder) {
  const made = yield* Effect.option(peek(folder.database));
  if (Option.isSome(made) && made.value === undefined) return false;
  const status = Effect.flatMap(Query, (query) => query.status).pipe(Effect.provide(querying(folder.database)));
  const found = yield* Effect.option(status);
  if (Option.isNone(found)) return true;
  const versions = new Map(found.value.projections.map(({ name, version }) => [name, version]));
  return readModels.every(({ name, version }) => versions.get(name) === version);
});

export const suffice = Effect.fnUntraced(function* (options: {
  readonly folder: Folder;
  readonly natsUrl: string | undefined;
  readonly isRunning: boolean;
}) {
  const { folder } = options;
  const fs = yield* FileSystem.FileSystem;
  if (!(yield* fs.exists(folder.database).pipe(Effect.orElseSucceed(() => false)))) return false;
  // A running projector is at it.
  if (options.isRunning) return true;
  return options.natsUrl === undefined && (yield* isOurs(folder)) && (yield* waiting(folder)) === 0;
});

/** For when the server cannot be reached: the database as it lies there, where this version made it; else the failure. */
export const withoutLog = (folder: Folder, trouble: NatsUnusable) =>
  Layer.unwrap(
    Effect.gen(function* () {
      // A server that answers and cannot be used is to be mended.
      if (trouble.reason !== "refused" && trouble.reason !== "stranger") return yield* trouble;
      const made = yield* Effect.option(peek(folder.database));
      if (Option.isNone(made) || made.value === undefined || !(yield* isOurs(folder))) return yield* trouble;
      const { recordedAt, sequence } = made.value;
      const upTo = sequence === 0 ? "of nothing yet" : `up to event ${sequence} (${Output.moment(recordedAt)} UTC)`;
      yield* Output.note(`${trouble.message} Answering from the database, ${upTo}.`);
      return querying(folder.database);
    }),
  );

/** Spool drained, everything in the log folded. What cannot be is said on stderr, and the answer is as good as it gets. */
export const broughtUpToDate = (folder: Folder) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      yield* waiting(folder).pipe(
        Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced(20) }),
        Effect.timeoutOption(drainPatienceMillis),
      );
      yield* caughtUp(yield* Progress.make(Progress.events));
    }).pipe(Effect.scoped),
  );
