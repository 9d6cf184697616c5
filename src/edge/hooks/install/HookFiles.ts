/**
 * An agent's hook file on disk: read, written whole or not at all, with a copy of what was there before.
 *
 * Room: edge.
 *
 * A file that is a link is written where it leads. A file with our token in it is this user's alone from then on.
 */
import { Clock, Effect, FileSystem, Path, Schema } from "effect";
import { createRequire } from "node:module";
import { homeFolder, variable } from "../../../machine/UserFolders.ts";
import type { AgentHooks } from "./AgentHooks.ts";

/** A file of an agent, or a folder for it, cannot be read or written. Nothing was changed. */
export class HookFileTrouble extends Schema.TaggedError<HookFileTrouble>()("HookFileTrouble", {
  path: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

const trouble = (path: string, cause: unknown) =>
  new HookFileTrouble({
    path,
    message: `${path} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "Nothing was changed in it. Its owner and its mode may be the reason.",
  });

export interface HookPlace {
  /** The agent's own folder: whether it is there says whether the agent is. */
  readonly folder: string;
  readonly file: string;
}

/** Place of the agent's hooks. */
export const placeOf = Effect.fnUntraced(function* ({ below = "", file, inHome, variable: name }: AgentHooks) {
  const path = yield* Path.Path;
  const moved = name === undefined ? "" : yield* variable(name);
  const folder = moved === "" ? path.join(yield* homeFolder, inHome) : path.resolve(moved, below);
  return { folder, file: path.join(folder, file) } satisfies HookPlace;
});

export const isThere = Effect.fnUntraced(function* (path: string) {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.exists(path).pipe(Effect.orElseSucceed(() => false));
});

/** Undefined where there is no file. */
export const readFile = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  if (!(yield* isThere(file))) return undefined;
  return yield* fs.readFileString(file).pipe(Effect.mapError((cause) => trouble(file, cause)));
});

const ours = 0o600;
const others = 0o077;

/** Copies of one agent's file that are kept. */
const mostBackups = 10;

const backupsOf = Effect.fnUntraced(function* (root: string, agent: string) {
  const path = yield* Path.Path;
  return path.join(root, "hooks", "backups", agent);
});

/** Keeps a copy of a text; the path of the copy. */
const backUp = Effect.fnUntraced(function* (root: string, agent: string, name: string, text: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const folder = yield* backupsOf(root, agent);
  const now = new Date(yield* Clock.currentTimeMillis).toISOString().replaceAll(":", "-");
  const copy = path.join(folder, `${now}-${name}`);
  yield* Effect.gen(function* () {
    yield* fs.makeDirectory(folder, { recursive: true, mode: 0o700 });
    yield* fs.writeFileString(copy, text, { mode: ours });
    const old = (yield* fs.readDirectory(folder)).toSorted().slice(0, -mostBackups);
    for (const one of old) yield* fs.remove(path.join(folder, one));
  }).pipe(Effect.mapError((cause) => trouble(copy, cause)));
  return copy;
});

const realOf = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.realPath(file).pipe(Effect.orElseSucceed(() => file));
});

/** Writes the file, or takes it away; the path of the copy of what was there, if anything was. */
export const writeFile = Effect.fn("edge.writeHookFile")(function* (options: {
  readonly root: string;
  readonly agent: string;
  readonly file: string;
  readonly before: string | undefined;
  /** Undefined: no file. */
  readonly after: string | undefined;
}) {
  const { after, agent, before, file, root } = options;
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  // A person may have thought about the change for minutes, and an agent writes its own settings.
  if ((yield* readFile(file)) !== before)
    return yield* new HookFileTrouble({
      path: file,
      message: `${file} was changed meanwhile.`,
      hint: "Nothing was changed in it. Run the command again: it shows the change anew.",
    });
  const copy = before === undefined ? undefined : yield* backUp(root, agent, path.basename(file), before);
  const real = yield* realOf(file);
  const write = Effect.gen(function* () {
    if (after === undefined) return yield* fs.remove(real, { force: true });
    yield* fs.makeDirectory(path.dirname(real), { recursive: true, mode: 0o700 });
    const info = yield* fs.stat(real).pipe(Effect.option);
    const mode = info._tag === "Some" ? info.value.mode & 0o777 & ~(after.includes("rct_") ? others : 0) : ours;
    const unfinished = `${real}.recollect-${process.pid}`;
    yield* fs.writeFileString(unfinished, after, { mode });
    yield* fs.chmod(unfinished, mode);
    yield* fs
      .rename(unfinished, real)
      .pipe(Effect.onError(() => Effect.ignore(fs.remove(unfinished, { force: true }))));
    return undefined;
  });
  yield* write.pipe(Effect.mapError((cause) => trouble(file, cause)));
  return copy;
});

/** True when a copy of that agent's file from before an install is kept: then the file was a person's. */
export const hasBackup = Effect.fnUntraced(function* (root: string, agent: string) {
  const fs = yield* FileSystem.FileSystem;
  const kept = yield* fs
    .readDirectory(yield* backupsOf(root, agent))
    .pipe(Effect.orElseSucceed((): Array<string> => []));
  return kept.length > 0;
});

/** The script that posts, where it will lie. */
export const scriptOf = Effect.fnUntraced(function* (root: string) {
  const path = yield* Path.Path;
  return path.join(root, "hooks", "recollect-hook.mjs");
});

/** Copies the script into the data folder, so that it stays where agents look for it, whatever becomes of this program. */
export const putScript = Effect.fnUntraced(function* (root: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const program = path.dirname(createRequire(import.meta.url).resolve("recollect/package.json"));
  const script = yield* scriptOf(root);
  yield* Effect.gen(function* () {
    const text = yield* fs.readFileString(path.join(program, "bin", "hook.mjs"));
    yield* fs.makeDirectory(path.dirname(script), { recursive: true, mode: 0o700 });
    yield* fs.writeFileString(script, text, { mode: ours });
  }).pipe(Effect.mapError((cause) => trouble(script, cause)));
});
