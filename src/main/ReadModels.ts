/**
 * Condition of the database in a data folder: it can be asked as it is, or the store must first bring it up to date.
 *
 * Room: main.
 *
 * Asking costs a command 20 ms, starting a store half a second. The database lacks something when there is none, when
 * another version made it, when a publisher has spooled commands while no daemon ran, or when the events come from a
 * foreign server, which may have got more meanwhile.
 */
import { Effect, FileSystem, Option } from "effect";
import type { DataFolder } from "../machine/DataFolder.ts";
import { peek } from "../projection/write/WriteLockSqlite.ts";
import { ownLog } from "../publish/drain/OwnLog.ts";
import { Query } from "../query/Query.ts";
import * as SpoolSqlite from "../spool/SpoolSqlite.ts";
import { querying } from "./Querying.ts";

type Folder = DataFolder["Service"];

/** Commands that wait in the spool for the folder's own log. */
export const waiting = (folder: Folder) =>
  SpoolSqlite.make({ file: folder.spool, target: ownLog }).pipe(
    Effect.flatMap((spool) => spool.state),
    Effect.map((state) => state.waiting),
    Effect.orElseSucceed(() => 0),
    Effect.scoped,
  );

/** True when this version made the database. One that cannot be read is asked, so that the question says why. */
export const isOurs = Effect.fnUntraced(function* (folder: Folder) {
  const made = yield* Effect.option(peek(folder.database));
  if (Option.isSome(made) && made.value === undefined) return false;
  const status = Effect.flatMap(Query, (query) => query.status).pipe(Effect.provide(querying(folder.database)));
  const found = yield* Effect.option(status);
  if (Option.isNone(found)) return true;
  // They are loaded where no daemon runs the store, and only there.
  const { readModels } = yield* Effect.promise(() => import("../../projections/all.ts"));
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
