/**
 * Which transcripts of agents lie on this machine.
 *
 * Room: edge. In: environment. Out: cli.
 *
 * Looks only where the agents themselves write, counts files and bytes, and opens none.
 */
import { Config, Effect, FileSystem, Path } from "effect";
import { homedir } from "node:os";
import type { Format } from "./Entry.ts";

export interface Transcripts {
  readonly path: string;
  readonly format: Format;
  readonly files: number;
  readonly bytes: number;
}

/** A hint must not make anyone wait: what lies behind this many files of one agent is not counted. */
const maxFiles = 20_000;

const variable = (name: string) => Config.String(name).pipe(Config.withDefault(""), Effect.orDie);

interface Place {
  readonly format: Format;
  readonly path: string;
  /** Which of the files below are transcripts. */
  readonly pattern: RegExp;
}

const places = Effect.gen(function* () {
  const paths = yield* Path.Path;
  const home = (yield* variable("HOME")) || homedir();
  const claude = (yield* variable("CLAUDE_CONFIG_DIR")) || paths.join(home, ".claude");
  const codex = (yield* variable("CODEX_HOME")) || paths.join(home, ".codex");
  const data = (yield* variable("XDG_DATA_HOME")) || paths.join(home, ".local", "share");
  const lines = /\.jsonl$/;
  // Claude Code reads its older place too, and both may hold sessions.
  const claudeHomes = [...new Set([claude, paths.join(home, ".claude"), paths.join(home, ".config", "claude")])];
  return [
    ...claudeHomes.map((folder): Place => ({
      format: "claude-code",
      path: paths.join(folder, "projects"),
      pattern: lines,
    })),
    { format: "codex", path: paths.join(codex, "sessions"), pattern: lines },
    { format: "codex", path: paths.join(codex, "archived_sessions"), pattern: lines },
    { format: "gemini-cli", path: paths.join(home, ".gemini", "tmp"), pattern: /[\\/]chats[\\/][^\\/]+\.jsonl?$/ },
    { format: "pi", path: paths.join(home, ".pi", "agent", "sessions"), pattern: lines },
    { format: "copilot", path: paths.join(home, ".copilot", "session-state"), pattern: lines },
    {
      format: "cursor",
      path: paths.join(home, ".cursor", "projects"),
      pattern: /[\\/]agent-transcripts[\\/].*\.jsonl$/,
    },
    { format: "droid", path: paths.join(home, ".factory", "sessions"), pattern: lines },
    { format: "grok", path: paths.join(home, ".grok", "sessions"), pattern: /chat_history\.jsonl$/ },
    {
      format: "opencode",
      path: paths.join(data, "opencode", "storage"),
      pattern: /[\\/](?:session|message|part)[\\/].*\.json$/,
    },
  ] satisfies ReadonlyArray<Place>;
});

/** Counts the transcripts below a folder; undefined when there are none. */
const count = Effect.fnUntraced(function* ({ format, path, pattern }: Place) {
  const fs = yield* FileSystem.FileSystem;
  const paths = yield* Path.Path;
  const names = yield* fs.readDirectory(path, { recursive: true }).pipe(Effect.orElseSucceed(() => []));
  let files = 0;
  let bytes = 0;
  for (const name of names) {
    const file = paths.join(path, name);
    if (!pattern.test(file)) continue;
    const info = yield* fs.stat(file).pipe(Effect.orElseSucceed(() => undefined));
    if (info?.type !== "File") continue;
    files++;
    bytes += Number(info.size);
    if (files >= maxFiles) break;
  }
  return files === 0 ? undefined : ({ path, format, files, bytes } satisfies Transcripts);
});

/** The folders that hold transcripts, largest first. A folder that cannot be read is one that holds none. */
export const discover = Effect.gen(function* () {
  const found: Array<Transcripts> = [];
  for (const place of yield* places) {
    const transcripts = yield* count(place);
    if (transcripts !== undefined) found.push(transcripts);
  }
  return found.toSorted((left, right) => right.bytes - left.bytes);
}).pipe(Effect.withSpan("edge.discover"));
