/**
 * Names of threads: the agent's own session id where there is one, a stable one where there is none.
 *
 * Room: edge.
 *
 * A thread must keep its name when its file is imported again, has grown, or lies in another folder. So a derived
 * name is made of the file's own name without folder and ending (`stem`), and of what does not change when a
 * conversation grows: its own small ids (`conversations/3/0`, task and trial), or a digest of its beginning up to the
 * first words of a user. Two different conversations that come to the same name are told apart by the importer
 * (`name~2`), because neither begins with the other.
 */
import { createHash } from "node:crypto";
import { maxIdBytes } from "../../domain/History.ts";

/** File names that say nothing: their folder's name is used. */
const generic = new Set([
  "events",
  "chat_history",
  "chat",
  "messages",
  "conversation",
  "transcript",
  "session",
  "wire",
  "context",
  "api_conversation_history",
  "ui_messages",
]);

const separators = /[\\/]/;

/** The path's parts; the last one is the file's name. */
export const segmentsOf = (path: string): ReadonlyArray<string> => path.split(separators).filter((part) => part !== "");

export const fileNameOf = (path: string): string => segmentsOf(path).at(-1) ?? path;

/** A file's name without the ending that says how it is packed. */
const unpackedName = (name: string): string => name.replace(/\.(?:gz|zst)$/i, "");

/** `a/b/talk.jsonl` is `talk`; `a/b/events.jsonl` is `b`. */
export const stemOf = (path: string): string => {
  const name = unpackedName(fileNameOf(path));
  const stem = name.replace(/\.(?:jsonl|json|ndjson|traj|log|txt|md|af)$/i, "");
  const folder = segmentsOf(path).at(-2);
  return generic.has(stem) && folder !== undefined ? folder : stem;
};

export const digestOf = (...parts: ReadonlyArray<Uint8Array | string>): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

/**
 * An id that the log takes: at most `maxIdBytes` of well-formed UTF-8, not empty.
 * A longer one keeps its beginning and ends in a digest of the whole, so two long ids stay two.
 */
export const boundedId = (id: string): string => {
  const text = id.toWellFormed();
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= maxIdBytes && text === id && id !== "") return id;
  // The room left is cut at a character: a broken one decodes to U+FFFD and is dropped.
  const head = bytes
    .subarray(0, maxIdBytes - 20)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  // As UTF-16, because as UTF-8 all lone surrogates are one.
  return `${head}~${digestOf(Buffer.from(id, "utf16le")).slice(0, 16)}`;
};

/** A name for the nth conversation that comes to the same name; the first keeps it. */
export const nthName = (name: string, nth: number): string => (nth === 1 ? name : boundedId(`${name}~${nth}`));

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

/** The UUID in a file name (`rollout-2026-…-<uuid>.jsonl`), or undefined. */
export const uuidIn = (name: string): string | undefined => uuid.exec(name)?.[0];

/**
 * True when an id names one conversation in the world: long, without spaces, with digits (a UUID, a nanoid).
 * A short one (`3`, `task-7`) names it in its file only.
 */
export const isGlobal = (id: string): boolean => id.length >= 16 && /\d/.test(id) && /^[\w.:@/-]+$/.test(id);

/** Name of a line file whose lines say nothing of a session: its stem, with a digest of its first line unless unique by itself. */
export const lineFileName = (path: string, firstLine: Uint8Array): string => {
  const stem = stemOf(path);
  return boundedId(uuid.test(stem) ? stem : `${stem}/${digestOf(firstLine).slice(0, 8)}`);
};

/** A sub-agent's file, `<session>/subagents/agent-<id>.jsonl` or `agent-<id>.jsonl` beside its session: its `agent-<id>`. */
export const subAgentOf = (path: string): string | undefined =>
  /^(agent-[\w.-]+?)\.jsonl$/.exec(unpackedName(fileNameOf(path)))?.[1];

/** The session whose sub-agent wrote a file of Gemini CLI: `chats/<session>/<agent>.jsonl`. */
export const geminiParentOf = (path: string): string | undefined => {
  const segments = segmentsOf(path);
  return segments.at(-3) === "chats" ? segments.at(-2) : undefined;
};

/** The session of Kimi's files: the folder's name; a sub-agent's is below its session's (`<session>/<agent>`). */
export const kimiSessionOf = (path: string): string => {
  const segments = segmentsOf(path);
  const [session, kind, agent] = segments.slice(-4);
  if (session === undefined || agent === undefined || (kind !== "subagents" && kind !== "agents")) return stemOf(path);
  return kind === "agents" && agent === "main" ? session : `${session}/${agent}`;
};

/** The session a sub-agent's file belongs to by its folder, for lines that do not say. */
export const sessionFolderOf = (path: string): string | undefined => {
  const segments = segmentsOf(path);
  return segments.at(-2) === "subagents" ? segments.at(-3) : undefined;
};
