/**
 * The command by which an agent takes up its conversation again.
 *
 * Room: query.
 *
 * Only commands that the agents' own documentation gives, with the id of a session that the agent made: Claude Code
 * (`--resume ID`), Codex (`resume ID`), Gemini CLI (`--resume UUID`, within the project's folder), Qwen Code (`--resume ID`),
 * OpenCode (`--session ID`). Decision: not Cursor, because threads of its windows and those of its terminal program cannot be
 * told apart here, and only the latter can be resumed.
 */
import type { ThreadRow } from "../Query.ts";

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

interface Way {
  readonly words: ReadonlyArray<string>;
  readonly id: RegExp;
}

const ways: Readonly<Record<string, Way>> = {
  "claude-code": { words: ["claude", "--resume"], id: uuid },
  codex: { words: ["codex", "resume"], id: uuid },
  "gemini-cli": { words: ["gemini", "--resume"], id: uuid },
  "qwen-code": { words: ["qwen", "--resume"], id: uuid },
  opencode: { words: ["opencode", "--session"], id: /^ses_\w+$/ },
};

/** A word as a shell takes it. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

type Asked = Pick<ThreadRow, "tool" | "threadId" | "cwd" | "parentRelation">;

export interface Resume {
  /** For a shell, with the way into the folder where it is known. */
  readonly command: string;
  readonly words: ReadonlyArray<string>;
  /** Folder that it must run in; undefined: the transcript does not say it. */
  readonly folder: string | undefined;
}

/** Undefined: there is none, or none that is sure. A sub-agent's thread is taken up by its parent alone. */
export const resumeOf = ({ cwd, parentRelation, threadId, tool }: Asked): Resume | undefined => {
  const way = tool !== null && Object.hasOwn(ways, tool) ? ways[tool] : undefined;
  if (way === undefined || !way.id.test(threadId)) return undefined;
  if (parentRelation !== null && parentRelation !== "fork") return undefined;
  const words = [...way.words, threadId];
  const folder = cwd !== null && /^(?:\/|[A-Za-z]:[\\/])/.test(cwd) ? cwd : undefined;
  const command = words.join(" ");
  return { command: folder === undefined ? command : `cd ${quoted(folder)} && ${command}`, words, folder };
};
