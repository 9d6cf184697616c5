/**
 * Queries that a person saved by a name: files of SQL in a folder, to be read, changed and copied by any other means.
 *
 * Room: query.
 *
 * `NAME.sql`; comment lines at its beginning say what it is for.
 */
import { Effect, FileSystem, Path } from "effect";
import { holdsSecret } from "../../domain/secret/CutText.ts";
import { QueryRefused } from "../Sql.ts";

export interface SavedQuery {
  readonly name: string;
  /** Its first comment; empty where there is none. */
  readonly doc: string;
  readonly sql: string;
}

/** Largest file that is read, bytes: far above any statement. */
const mostBytes = 1024 * 1024;
const named = /^[a-z0-9][a-z0-9_-]{0,63}$/;

const refuse = (message: string, hint: string) => new QueryRefused({ message, hint });

const checked = (name: string): Effect.Effect<string, QueryRefused> =>
  named.test(name)
    ? Effect.succeed(name)
    : refuse(
        `${name.slice(0, 80)} is no name of a saved query.`,
        "Small letters, digits, - and _, at most 64; names with a point come with the program.",
      );

const docOf = (sql: string): string =>
  (/^(?:\s*--[^\n]*\n)+/.exec(sql)?.[0] ?? "")
    .split("\n")
    .map((line) => line.replace(/^\s*--\s?/, "").trim())
    .filter((line) => line !== "")
    .join(" ");

const failed = (path: string) => (error: { readonly message: string }) =>
  refuse(`${path} cannot be read or written (${error.message}).`, "Look at the folder's permissions.");

const fileOf = Effect.fnUntraced(function* (folder: string, name: string) {
  const path = yield* Path.Path;
  return path.join(folder, `${yield* checked(name)}.sql`);
});

const readOne = Effect.fnUntraced(function* (file: string, name: string) {
  const fs = yield* FileSystem.FileSystem;
  const { size } = yield* fs.stat(file);
  if (size > mostBytes) return yield* refuse(`${file} is larger than 1 MiB.`, "Remove it.");
  const sql = yield* fs.readFileString(file);
  const query: SavedQuery = { name, doc: docOf(sql), sql };
  return query;
});

/** The query of that name; undefined: none was saved. */
export const readQuery = Effect.fnUntraced(function* (folder: string, name: string) {
  const fs = yield* FileSystem.FileSystem;
  const file = yield* fileOf(folder, name);
  if (!(yield* fs.exists(file).pipe(Effect.mapError(failed(file))))) return undefined;
  return yield* readOne(file, name).pipe(Effect.catchTag("PlatformError", failed(file)));
});

/** All of the folder by name; what is no name of a query is left out. */
export const listQueries = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem;
  if (!(yield* fs.exists(folder).pipe(Effect.mapError(failed(folder))))) return [];
  const files = yield* fs.readDirectory(folder).pipe(Effect.mapError(failed(folder)));
  const names = files.flatMap((file) =>
    file.endsWith(".sql") && named.test(file.slice(0, -4)) ? [file.slice(0, -4)] : [],
  );
  const found = yield* Effect.forEach(names.toSorted(), (name) => readQuery(folder, name));
  return found.filter((query) => query !== undefined);
});

/** Saves a query, in place of one of the same name; whole or not at all. One with a secret in it is refused. */
export const saveQuery = Effect.fnUntraced(function* (
  folder: string,
  query: { readonly name: string; readonly sql: string; readonly doc?: string | undefined },
) {
  const fs = yield* FileSystem.FileSystem;
  const file = yield* fileOf(folder, query.name);
  if (holdsSecret(query.sql) || holdsSecret(query.doc ?? "")) {
    return yield* refuse(
      "What is to be saved looks like a secret, and secrets are never stored.",
      "Write :name in its place, and give the value when it is asked.",
    );
  }
  const head = query.doc === undefined ? "" : `-- ${query.doc.replaceAll(/\s+/g, " ").trim()}\n`;
  const unfinished = `${file}.${yield* Effect.sync(() => process.pid)}`;
  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 });
    yield* fs.writeFileString(unfinished, `${head}${query.sql.trimEnd()}\n`, { mode: 0o600 });
    yield* fs.rename(unfinished, file);
  }).pipe(Effect.mapError(failed(file)));
  return file;
});

/** True when there was one. */
export const removeQuery = Effect.fnUntraced(function* (folder: string, name: string) {
  const fs = yield* FileSystem.FileSystem;
  const file = yield* fileOf(folder, name);
  const isThere = yield* fs.exists(file).pipe(Effect.mapError(failed(file)));
  if (isThere) yield* fs.remove(file).pipe(Effect.mapError(failed(file)));
  return isThere;
});
