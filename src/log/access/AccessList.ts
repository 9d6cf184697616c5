/**
 * Access list: the users that `recollect access add` made, as a file of the data folder.
 *
 * Room: log.
 *
 * Promises: the file is 0600 and is replaced as a whole; what was given out is not in it but for passwords, which the
 * server must know (Decision: as they are and not hashed, because they are 192 random bits that we make, the file is as
 * secret as the keys beside it, and a hash that is worth its name costs the server 80 ms at each connect).
 */
import { Effect, FileSystem, Option, Predicate, Result, Schedule, Schema } from "effect";
import { statSync } from "node:fs";
import { join } from "node:path";
import { folderTrouble } from "../../machine/DataFolder.ts";
import { tryLock } from "../../machine/FolderLockSqlite.ts";
import * as OwnFile from "../../machine/OwnFile.ts";
import { roles } from "./Roles.ts";

export const User = Schema.Struct({
  name: Schema.String,
  role: Schema.Literals(roles),
  tenant: Schema.String,
  /** Public key; absent for a user with a password. */
  nkey: Schema.optionalKey(Schema.String),
  password: Schema.optionalKey(Schema.String),
  /** Epoch milliseconds. */
  createdAt: Schema.Finite,
});
export type User = typeof User.Type;

export const AccessList = Schema.Struct({ users: Schema.Array(User) });
export type AccessList = typeof AccessList.Type;

const File = Schema.fromJsonString(AccessList);
const fileOf = (root: string): string => `${root}/access.json`;

/** The empty list, of a folder without such a file. */
export const read = Effect.fn("log.readAccess")(function* (root: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = fileOf(root);
  const trouble = (cause: unknown) => folderTrouble({ path, cause });
  if (!(yield* fs.exists(path).pipe(Effect.mapError(trouble)))) return { users: [] } satisfies AccessList;
  const text = yield* OwnFile.text(path).pipe(Effect.mapError(trouble));
  return yield* Schema.decodeEffect(File)(text).pipe(Effect.mapError(trouble));
});

const decode = Schema.decodeUnknownOption(File);

/**
 * Finder of a user by its public key or its name. It looks whether the file has changed at
 * each question (some 5 µs), so a user that was made or revoked meanwhile is known as such. Of a list that cannot be read
 * no user is known.
 */
export const userFinder = (root: string): ((known: string) => User | undefined) => {
  const path = fileOf(root);
  let version = "";
  let users: ReadonlyMap<string, User> = new Map();
  return (known) => {
    const now = statSync(path, { throwIfNoEntry: false });
    const found = now === undefined ? "" : `${now.ino} ${now.mtimeMs} ${now.size}`;
    if (found !== version) {
      const text = Result.try(() => (found === "" ? undefined : OwnFile.readText(path)));
      const list = Option.getOrUndefined(decode(Result.getOrElse(text, () => undefined)));
      users = new Map(list?.users.flatMap((user) => [user.name, user.nkey ?? user.name].map((name) => [name, user])));
      version = found;
    }
    return users.get(known);
  };
};

/** Replaces a file of ours as a whole; mode 0600. */
export const replace = Effect.fnUntraced(function* (path: string, text: string) {
  const fs = yield* FileSystem.FileSystem;
  const unfinished = `${path}.${process.pid}`;
  yield* fs.writeFileString(unfinished, text, { mode: 0o600 }).pipe(
    Effect.andThen(fs.rename(unfinished, path)),
    Effect.onError(() => fs.remove(unfinished, { force: true }).pipe(Effect.ignore)),
    Effect.mapError((cause) => folderTrouble({ path, cause })),
  );
});

/** Patience with another process that changes the users, and the pause between two looks, milliseconds. */
const patienceMillis = 30_000;
const lookMillis = 20;

/** Runs while no other process, and no other fiber, changes the list: what one of two has read the other may have replaced. */
export const changing =
  (root: string) =>
  <A, E, R>(change: Effect.Effect<A, E, R>) => {
    const path = join(root, "recollect-access.lock");
    const lock = Effect.try({ try: () => tryLock(path), catch: (cause) => folderTrouble({ path, cause }) }).pipe(
      Effect.repeat({ until: Predicate.isNotUndefined, schedule: Schedule.spaced(lookMillis) }),
      Effect.timeoutOrElse({
        duration: patienceMillis,
        orElse: () =>
          Effect.fail(
            folderTrouble({
              path,
              cause: new Error("another process changes the users, and has not ended within 30 s"),
              hint: "Try again when it has ended.",
            }),
          ),
      }),
    );
    return Effect.acquireUseRelease(
      lock,
      () => change,
      (held) => Effect.sync(() => held?.release()),
    );
  };

export const write = Effect.fn("log.writeAccess")(function* (root: string, list: AccessList) {
  const text = yield* Schema.encodeEffect(File)(list).pipe(Effect.orDie);
  yield* replace(fileOf(root), `${text}\n`);
});
