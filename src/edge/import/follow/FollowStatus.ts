/**
 * Followed folders and their processes: written in the data folder, for `recollect sources`.
 *
 * Room: edge.
 *
 * One file a follower, `following-<pid>.json`, this user's alone; written when something came, at most every two seconds,
 * and removed at the end. A killed one's file counts as none, and the next look removes it.
 */
import { Clock, Effect, FileSystem, Option, Path, Queue, Schema } from "effect";
import * as OwnFile from "../../../machine/OwnFile.ts";
import { isAlive } from "../../../machine/Processes.ts";
import type { News } from "./Follow.ts";
import type { Watched } from "./FolderWatch.ts";

export const FollowStatus = Schema.Struct({
  pid: Schema.Int,
  /** Epoch milliseconds. */
  startedAt: Schema.Int,
  tenant: Schema.String,
  /** Folders and files that are followed, those that are not there yet included. */
  roots: Schema.Array(Schema.Struct({ path: Schema.String, agent: Schema.optionalKey(Schema.String) })),
  /** Files that were there at the last look, and folders that are watched or polled. */
  files: Schema.Int,
  folders: Schema.Int,
  polled: Schema.Int,
  /** New entries since the start, beside those of the first import. */
  events: Schema.Int,
  /** Time of the last ones, and their file; absent while none came. */
  lastAt: Schema.optionalKey(Schema.Int),
  lastPath: Schema.optionalKey(Schema.String),
});
export type FollowStatus = typeof FollowStatus.Type;

const StatusFile = Schema.fromJsonString(FollowStatus);

const named = /^following-(\d+)\.json$/;
const writeMillis = 2_000;

/** Keeps the file of this process for the scope. */
export const keepStatus = Effect.fn("edge.keepFollowStatus")(function* (options: {
  readonly folder: string;
  readonly tenant: string;
  readonly watched: () => Watched;
}) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const file = path.join(options.folder, `following-${process.pid}.json`);
  const startedAt = yield* Clock.currentTimeMillis;
  let events = 0;
  let last: News | undefined;
  const write = Effect.suspend(() => {
    const { roots, ...counts } = options.watched();
    const status = StatusFile.pipe(Schema.encodeEffect)({
      pid: process.pid,
      startedAt,
      tenant: options.tenant,
      roots: roots.map(({ agent, path: at }) => ({ path: at, ...(agent === undefined ? {} : { agent }) })),
      ...counts,
      events,
      ...(last === undefined ? {} : { lastAt: last.at, lastPath: last.path }),
    });
    const unfinished = `${file}.new`;
    // Whole or not at all: interrupted in between, it would be there again behind its removal.
    return Effect.flatMap(status, (text) => fs.writeFileString(unfinished, `${text}\n`, { mode: 0o600 })).pipe(
      Effect.andThen(fs.rename(unfinished, file)),
      Effect.ignore,
      Effect.uninterruptible,
    );
  });
  const bell = yield* Queue.sliding<void>(1);
  yield* Effect.acquireRelease(write, () => Effect.ignore(fs.remove(file, { force: true })));
  yield* Queue.take(bell).pipe(
    Effect.andThen(write),
    Effect.andThen(Effect.sleep(writeMillis)),
    Effect.forever,
    Effect.forkScoped,
  );
  return (news: News): void => {
    events += news.events;
    last = news;
    Queue.offerUnsafe(bell, undefined);
  };
});

/** Folders that the living processes follow. */
export const followed = Effect.fn("edge.followed")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const found: Array<FollowStatus> = [];
  for (const name of yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []))) {
    const pid = Number(named.exec(name)?.[1] ?? 0);
    if (pid === 0) continue;
    const file = path.join(folder, name);
    if (!isAlive(pid)) {
      yield* Effect.ignore(fs.remove(file, { force: true }));
      continue;
    }
    const text = yield* OwnFile.text(file).pipe(Effect.option);
    const status = Option.flatMap(text, Schema.decodeUnknownOption(StatusFile));
    if (Option.isSome(status)) found.push(status.value);
  }
  return found;
});
