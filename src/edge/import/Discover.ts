/**
 * Which transcripts lie on this machine, in the places where agents keep them.
 *
 * Room: edge.
 *
 * Names and sizes are looked at, contents are not: what a file holds is found out by the import. The look is bounded,
 * because a folder may lie on a slow network: after `mostFiles` files or `mostMillis` the count is "at least".
 */
import { Clock, Effect, FileSystem, Path } from "effect";
import { homeFolder, variable } from "../../machine/UserFolders.ts";
import type { Format } from "./Entry.ts";

export interface Place {
  /** A folder to import. */
  readonly path: string;
  /** Whose transcripts they are, for people. */
  readonly agent: string;
  readonly format: Format;
  readonly files: number;
  readonly bytes: number;
  /** True when there was more than time to count. */
  readonly isAtLeast: boolean;
}

/** Files that are counted in all: 20,000 took 1.7 s, and somebody waits. */
const mostFiles = 20_000;
const mostMillis = 3_000;
/** The deepest of these places has its files five folders down. */
const mostDepth = 8;

/** Where an agent keeps transcripts, and what its files are called. */
interface Home {
  readonly agent: string;
  readonly format: Format;
  /** The environment variable that moves the agent's folder, and the folder below the value where it is not that itself. */
  readonly variable?: string;
  readonly below?: string;
  /** Where the agent's folder is by default, in the user's home. */
  readonly inHome: ReadonlyArray<string>;
  /** Folders in it. */
  readonly folders: ReadonlyArray<string>;
  /** Which of the files below are transcripts, by the path from there, with `/`. */
  readonly isTranscript: RegExp;
}

const lines = /\.jsonl$/;

const homes: ReadonlyArray<Home> = [
  {
    agent: "Claude Code",
    format: "claude-code",
    variable: "CLAUDE_CONFIG_DIR",
    inHome: [".claude", ".config/claude"],
    folders: ["projects"],
    isTranscript: lines,
  },
  {
    agent: "Codex",
    format: "codex",
    variable: "CODEX_HOME",
    inHome: [".codex"],
    folders: ["sessions", "archived_sessions"],
    isTranscript: lines,
  },
  {
    agent: "Gemini CLI",
    format: "gemini-cli",
    inHome: [".gemini"],
    folders: ["tmp"],
    isTranscript: /(?:^|\/)chats\/[^/]+\.jsonl?$/,
  },
  {
    agent: "GitHub Copilot CLI",
    format: "copilot",
    inHome: [".copilot"],
    folders: ["session-state"],
    // Below a session's `files/` lie the files of its work.
    isTranscript: /^(?:[^/]+\/events|[^/]+)\.jsonl$/,
  },
  {
    agent: "Cursor",
    format: "cursor",
    inHome: [".cursor"],
    folders: ["projects"],
    isTranscript: /(?:^|\/)agent-transcripts\/.*\.jsonl$/,
  },
  { agent: "Droid", format: "droid", inHome: [".factory"], folders: ["sessions"], isTranscript: lines },
  { agent: "pi", format: "pi", inHome: [".pi/agent"], folders: ["sessions"], isTranscript: lines },
  { agent: "Grok", format: "grok", inHome: [".grok"], folders: ["sessions"], isTranscript: /chat_history\.jsonl$/ },
  {
    agent: "OpenCode",
    format: "opencode",
    variable: "XDG_DATA_HOME",
    below: "opencode",
    inHome: [".local/share/opencode"],
    folders: ["storage"],
    isTranscript: /^(?:session|message|part)\/.*\.json$/,
  },
];

interface Count {
  files: number;
  bytes: number;
  isAtLeast: boolean;
}

/** What is left to look at, for all places together. */
interface Budget {
  files: number;
  readonly until: number;
}

/** Counts below a folder. What cannot be read counts nothing; links are not followed, so a loop cannot be walked. */
const countBelow = Effect.fnUntraced(function* (root: string, isTranscript: RegExp, budget: Budget) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const count: Count = { files: 0, bytes: 0, isAtLeast: false };
  const visit = (folder: string, below: string, depth: number): Effect.Effect<void> =>
    Effect.gen(function* () {
      const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []));
      for (const name of names) {
        if (budget.files <= 0 || (yield* Clock.currentTimeMillis) > budget.until) {
          count.isAtLeast = true;
          return;
        }
        const place = path.join(folder, name);
        const inside = below === "" ? name : `${below}/${name}`;
        const isLink = yield* fs.readLink(place).pipe(
          Effect.as(true),
          Effect.orElseSucceed(() => false),
        );
        const info = isLink ? undefined : yield* fs.stat(place).pipe(Effect.orElseSucceed(() => undefined));
        if (info?.type === "Directory" && depth < mostDepth) yield* visit(place, inside, depth + 1);
        if (info?.type !== "File") continue;
        budget.files--;
        if (!isTranscript.test(inside)) continue;
        count.files++;
        count.bytes += Number(info.size);
      }
    });
  yield* visit(root, "", 0);
  return count;
});

/** The folders an agent may write to. Whoever moved one may have left older sessions where it was. */
const rootsOf = Effect.fnUntraced(function* ({ below = "", inHome, variable: name }: Home) {
  const path = yield* Path.Path;
  const home = yield* homeFolder;
  const moved = name === undefined ? "" : yield* variable(name);
  const usual = inHome.map((folder) => path.join(home, folder));
  return new Set(moved === "" ? usual : [path.resolve(moved, below), ...usual]);
});

/** The folders that hold transcripts, largest first. */
export const discover = Effect.gen(function* () {
  const path = yield* Path.Path;
  const budget: Budget = { files: mostFiles, until: (yield* Clock.currentTimeMillis) + mostMillis };
  const places: Array<Place> = [];
  for (const home of homes) {
    const { agent, folders, format, isTranscript } = home;
    for (const root of yield* rootsOf(home)) {
      for (const folder of folders) {
        const place = path.join(root, folder);
        const { bytes, files, isAtLeast } = yield* countBelow(place, isTranscript, budget);
        if (files > 0) places.push({ path: place, agent, format, files, bytes, isAtLeast });
      }
    }
  }
  return places.toSorted((left, right) => right.bytes - left.bytes);
}).pipe(Effect.withSpan("edge.discover"));
