/**
 * Formats whose entries are the elements of an array: how to recognise one, and which conversations it holds.
 *
 * Room: edge.
 *
 * A file is looked at through its outline: only a few small parts are parsed here, so a file larger than memory has
 * its conversations found like a small one.
 */
import { Effect, type FileSystem, type PlatformError } from "effect";
import { isObject, type JsonObject, type JsonValue, numberAt, stringAt } from "../../../domain/Json.ts";
import { nameInside } from "../../../domain/interpret/traces/atif.ts";
import type { ChatFormat } from "../Entry.ts";
import type { FileChanged } from "../find/FileBytes.ts";
import { compact, type Descend, type Part } from "./JsonOutline.ts";
import { boundedId, digestOf, fileNameOf, isGlobal, segmentsOf, stemOf } from "../ThreadIds.ts";
import { shapeOf } from "./ChatShapes.ts";

/** Reads a part's bytes, from memory or from the file. */
export type Read = (
  start: number,
  end: number,
) => Effect.Effect<Buffer, FileChanged | PlatformError.PlatformError, FileSystem.FileSystem>;

export interface Conversation {
  readonly format: ChatFormat;
  /** The object around the messages, or their array itself when nothing is around it. */
  readonly frame: Part;
  readonly messages: Part;
  /** The thread's name; a derived one may belong to a different conversation already (`nthName`). */
  readonly name: string;
  readonly derived: boolean;
}

/** Content of a file: its conversations, and what it says beside them. */
export interface Chat {
  readonly format: ChatFormat;
  readonly conversations: ReadonlyArray<Conversation>;
  /** The file's frame, when several conversations share one: the name of its history and the array to leave out. */
  readonly source: { readonly name: string; readonly without: Part } | undefined;
}

export const messageKeys = [
  "messages",
  "history",
  "traj",
  "turns",
  "requests",
  "chat_messages",
  "steps",
  "observations",
  "mapping",
] as const;
const manyKeys = ["simulations", "samples", "agents"] as const;
/** Messages that are the members of an object, each under its own id. */
const byIdKey = "mapping";

const named = (key: string | undefined, keys: ReadonlyArray<string>): boolean =>
  key !== undefined && keys.includes(key);

/** Trajectories inside a trajectory: those of its sub-agents, and so on. */
const insideKey = "subagent_trajectories";
/** Deepest way to a trajectory's steps that is followed: eight sub-agents, one started by the other. */
const maxTrajectoryDepth = 18;

/** True for a part on the way to the steps of a trajectory: each second parent holds sub-agents' trajectories. */
const isTrajectory = (part: Parameters<Descend>[0], parents: Parameters<Descend>[1]): boolean => {
  if (parents.length > maxTrajectoryDepth || parents[0]?.kind !== "object") return false;
  if (parents.some(({ key }, depth) => depth % 2 === 1 && key !== insideKey)) return false;
  if (parents.length % 2 === 0) return part.kind === "object";
  return part.kind === "array" && (part.key === insideKey || (parents.length > 1 && part.key === "steps"));
};

/** Outlined parts of a chat file: members of the objects around messages, and the elements of message arrays. */
export const chatParts: Descend = (part, parents) => {
  const [root, second] = parents;
  if (root === undefined || isTrajectory(part, parents)) return true;
  const isMessages =
    (part.kind === "array" && part.key !== byIdKey && named(part.key, messageKeys)) ||
    (part.kind === "object" && part.key === byIdKey);
  switch (parents.length) {
    case 1:
      return root.kind === "array" || isMessages || (part.kind === "array" && named(part.key, manyKeys));
    case 2:
      if (root.kind === "array") return isMessages;
      return part.kind === "object" && named(second?.key, manyKeys);
    case 3:
      return isMessages && named(second?.key, manyKeys);
    default:
      return false;
  }
};

const memberOf = (part: Part, key: string): Part | undefined => part.parts?.find((member) => member.key === key);
const has = (part: Part, ...keys: ReadonlyArray<string>): boolean =>
  keys.some((key) => memberOf(part, key) !== undefined);
const arrayOf = (part: Part, keys: ReadonlyArray<string>): Part | undefined =>
  part.parts?.find((member) => member.kind === "array" && member.parts !== undefined && named(member.key, keys));
/** The members that hold messages: an array, or an object of messages by id. */
const messagesOf = (part: Part): ReadonlyArray<Part> =>
  (part.parts ?? []).filter((member) => member.parts !== undefined && named(member.key, messageKeys));

/** Members that are parsed to find ids: strings and numbers of at most this many bytes. */
const smallBytes = 4096;
/** Messages that are looked at to tell chat dialects apart, and to find the first words of a user. */
const headMessages = 16;
const headBytes = 1024 * 1024;

const valueOf = (read: Read, part: Part | undefined, most = smallBytes) =>
  part === undefined || part.end - part.start > most
    ? Effect.succeed<JsonValue | undefined>(undefined)
    : Effect.map(read(part.start, part.end), (bytes): JsonValue | undefined => {
        try {
          return JSON.parse(bytes.toString("utf8")) as JsonValue;
        } catch {
          return undefined;
        }
      });

/** The small members of an object, as one object. */
const small = Effect.fnUntraced(function* (read: Read, part: Part) {
  const found: Record<string, JsonValue> = {};
  for (const member of part.parts ?? []) {
    if (member.key === undefined || (member.kind !== "string" && member.kind !== "scalar")) continue;
    const value = yield* valueOf(read, member);
    if (value !== undefined) found[member.key] = value;
  }
  return found as JsonObject;
});

const anthropicBlocks = new Set(["tool_use", "tool_result", "thinking", "redacted_thinking"]);
const openAiBlocks = new Set(["image_url", "input_audio", "refusal", "file"]);
const openAiRoles = new Set(["system", "developer", "tool", "function"]);

/** Dialect of a message, if it gives one away. */
const dialectOf = (message: JsonValue): ChatFormat | undefined => {
  if (!isObject(message)) return undefined;
  const role = stringAt(message, "role");
  if (openAiRoles.has(role ?? "") || "tool_calls" in message || "function_call" in message) return "openai-chat";
  const { content } = message;
  if (!Array.isArray(content)) return undefined;
  for (const block of content as ReadonlyArray<JsonValue>) {
    const type = stringAt(block, "type") ?? "";
    if (anthropicBlocks.has(type)) return "anthropic-messages";
    if (openAiBlocks.has(type)) return "openai-chat";
  }
  return role === "assistant" ? "anthropic-messages" : undefined;
};

/** The first messages, up to the first words of a user: what stays when a conversation grows. */
const headOf = Effect.fnUntraced(function* (read: Read, messages: Part) {
  const raw: Array<Uint8Array> = [];
  let dialect: ChatFormat | undefined;
  let spoken = false;
  let looksLikeMessages = false;
  for (const part of (messages.parts ?? []).slice(0, headMessages)) {
    if (part.end - part.start > headBytes) break;
    const bytes = yield* read(part.start, part.end);
    const value = yield* valueOf(read, part, headBytes);
    looksLikeMessages ||= isObject(value) && typeof value["role"] === "string";
    dialect ??= dialectOf(value ?? null);
    if (!spoken) raw.push(compact(bytes));
    spoken ||= stringAt(value, "role") === "user" || stringAt(value, "role") === "human";
  }
  return { dialect, looksLikeMessages, digest: digestOf(...raw).slice(0, 8) };
});

const idNames = ["conversation_id", "thread_id", "session_id", "chat_id", "id", "uuid"] as const;

/** The name of a chat's thread: its own id when that is one in the world, else one in this file. */
const chatName = (
  stem: string,
  fields: JsonObject,
  digest: string,
): { readonly name: string; readonly derived: boolean } => {
  const task = fields["task_id"];
  if ((typeof task === "string" || typeof task === "number") && !("id" in fields)) {
    const trial = fields["trial"];
    const parts = typeof trial === "number" || typeof trial === "string" ? [stem, task, trial] : [stem, task];
    return { name: boundedId(parts.join("/")), derived: true };
  }
  for (const key of idNames) {
    const id = fields[key];
    if (typeof id === "string" && isGlobal(id)) return { name: boundedId(id), derived: false };
    if ((typeof id === "string" && id !== "") || typeof id === "number")
      return { name: boundedId(`${stem}/${id}`), derived: true };
  }
  return { name: boundedId(`${stem}/${digest}`), derived: true };
};

const shaped = Effect.fnUntraced(function* (read: Read, frame: Part, fields: JsonObject, stem: string) {
  const members = new Set((frame.parts ?? []).flatMap(({ key }) => key ?? []));
  for (const messages of messagesOf(frame)) {
    // A document that stood in a row of a database has the row's id beside its own members.
    const row = memberOf(frame, "row");
    const id = row === undefined ? undefined : stringAt(yield* valueOf(read, row, headBytes), "id");
    const shape = shapeOf(messages.key, members, id === undefined ? fields : { ...fields, "row.id": id });
    if (shape !== undefined) {
      const name = boundedId(shape.name ?? stem);
      return { format: shape.format, frame, messages, name, derived: shape.name === undefined } satisfies Conversation;
    }
    if (messages.key !== "observations" || !members.has("trace")) continue;
    const trace = yield* valueOf(read, memberOf(frame, "trace"), headBytes);
    const name = boundedId(stringAt(trace, "id") ?? stem);
    return { format: "langfuse", frame, messages, name, derived: false } satisfies Conversation;
  }
  return undefined;
});

/** The files of a task of Cline, Roo Code or Kilo Code: which one it is says its name, and its first element. */
const clineOf = Effect.fnUntraced(function* (read: Read, root: Part, path: string) {
  const isUi = /^(?:ui_messages|claude_messages)\.json/.test(fileNameOf(path));
  if (root.kind !== "array" || !(isUi || fileNameOf(path).startsWith("api_conversation_history.json")))
    return undefined;
  const first = yield* valueOf(read, root.parts?.[0], headBytes);
  const fits = isUi
    ? typeof (isObject(first) ? first["ts"] : undefined) === "number"
    : stringAt(first, "role") !== undefined;
  if (!fits) return undefined;
  const task = segmentsOf(path).at(-2) ?? "task";
  const name = boundedId(isGlobal(task) ? task : `cline/${task}`);
  return {
    format: isUi ? "cline-ui" : "cline",
    frame: root,
    messages: root,
    name,
    derived: false,
  } satisfies Conversation;
});

/** A conversation by its shape, or undefined when it has none. */
const conversationOf = Effect.fnUntraced(function* (read: Read, frame: Part, stem: string) {
  const fields = frame.kind === "object" ? yield* small(read, frame) : {};
  const known = frame.kind === "object" ? yield* shaped(read, frame, fields, stem) : undefined;
  if (known !== undefined) return known;
  const messages = frame.kind === "array" ? frame : arrayOf(frame, messageKeys);
  if (messages?.parts === undefined) return undefined;
  const head = yield* headOf(read, messages);
  const conversation = (
    format: ChatFormat,
    own: string | undefined,
    otherwise = `${stem}/${head.digest}`,
  ): Conversation => ({
    format,
    frame,
    messages,
    name: boundedId(own !== undefined && own !== "" ? own : otherwise),
    derived: own === undefined || own === "",
  });
  const sessionId = stringAt(fields, "sessionId");
  if (messages.key === "turns" && has(frame, "thread_id")) return conversation("zen", stringAt(fields, "thread_id"));
  if (sessionId !== undefined && messages.key === "messages" && has(frame, "projectHash", "startTime", "lastUpdated"))
    return conversation("gemini-cli", sessionId);
  if (messages.key === "history") {
    const question = stringAt(fields, "question_ID");
    if (question !== undefined || has(frame, "mistake_agent")) {
      return conversation("who-and-when", undefined, question === undefined ? undefined : `${stem}/${question}`);
    }
    const first = yield* valueOf(read, messages.parts[0], headBytes);
    if (isObject(first) && Array.isArray(first["parts"])) return conversation("gemini-cli", sessionId);
    return head.looksLikeMessages || has(frame, "trajectory") ? conversation("swe-agent", undefined, stem) : undefined;
  }
  if (!head.looksLikeMessages) return undefined;
  const anthropic =
    head.dialect === "anthropic-messages" || (head.dialect === undefined && has(frame, "system", "anthropic_version"));
  return {
    ...conversation(anthropic && messages.key !== "traj" ? "anthropic-messages" : "openai-chat", undefined),
    ...chatName(stem, fields, head.digest),
  };
});

/** The simulations of a tau2 file: each has its own id. */
const tau2 = Effect.fnUntraced(function* (read: Read, root: Part, many: Part, stem: string) {
  const fields = yield* small(read, root);
  const conversations: Array<Conversation> = [];
  for (const frame of many.parts ?? []) {
    const messages = arrayOf(frame, messageKeys);
    if (messages === undefined) continue;
    const own = yield* small(read, frame);
    const id = stringAt(own, "id");
    const derived = id === undefined || !isGlobal(id);
    const trial = numberAt(own, "trial") ?? 0;
    const name = derived ? `${stem}/${stringAt(own, "task_id") ?? id ?? ""}/${trial}` : id;
    conversations.push({ format: "tau2", frame, messages, name: boundedId(name), derived });
  }
  const source = { name: boundedId(`${stem}/${stringAt(fields, "timestamp") ?? "tau2"}`), without: many };
  return { format: "tau2", conversations, source } satisfies Chat;
});

/** The samples of an Inspect log. Those of 2024 have no uuid: run, sample and epoch name them. */
const inspect = Effect.fnUntraced(function* (read: Read, root: Part, many: Part, stem: string) {
  const described = yield* valueOf(read, memberOf(root, "eval"), headBytes);
  const run = stringAt(described, "run_id") ?? stringAt(described, "eval_id") ?? stem;
  const conversations: Array<Conversation> = [];
  for (const frame of many.parts ?? []) {
    const messages = arrayOf(frame, messageKeys);
    if (messages === undefined) continue;
    const own = yield* small(read, frame);
    const name =
      stringAt(own, "uuid") ?? `${run}/${String(own["id"] ?? conversations.length)}/${numberAt(own, "epoch") ?? 1}`;
    conversations.push({ format: "inspect", frame, messages, name: boundedId(name), derived: false });
  }
  return { format: "inspect", conversations, source: { name: boundedId(run), without: many } } satisfies Chat;
});

/** The agents of a Letta file; `messages` at the root are those of the shape for one agent. */
const letta = Effect.fnUntraced(function* (read: Read, many: Part, stem: string) {
  const conversations: Array<Conversation> = [];
  for (const frame of many.parts ?? []) {
    const messages = arrayOf(frame, ["messages"]);
    if (messages === undefined) continue;
    const own = yield* small(read, frame);
    const id = stringAt(own, "id") ?? stringAt(own, "name") ?? "agent";
    const derived = !isGlobal(id);
    const name = boundedId(derived ? `${stem}/${id}` : id);
    conversations.push({ format: "letta", frame, messages, name, derived });
  }
  return { format: "letta", conversations, source: { name: boundedId(stem), without: many } } satisfies Chat;
});

/** The trajectories of a trajectory's sub-agents: threads below its own. */
const insideOf = (
  read: Read,
  { derived, frame, name }: Conversation,
): Effect.Effect<ReadonlyArray<Conversation>, FileChanged | PlatformError.PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const found: Array<Conversation> = [];
    for (const [index, inner] of (arrayOf(frame, [insideKey])?.parts ?? []).entries()) {
      const messages = arrayOf(inner, ["steps"]);
      if (messages?.parts === undefined || messages.parts.length === 0) continue;
      const own = nameInside(yield* small(read, inner)) ?? String(index + 1);
      const conversation: Conversation = {
        format: "atif",
        frame: inner,
        messages,
        name: boundedId(`${name}/${own}`),
        derived,
      };
      found.push(conversation, ...(yield* insideOf(read, conversation)));
    }
    return found;
  });

/**
 * The conversations of a JSON document, or undefined when it holds none. `root` is outlined with `chatParts`; `damaged` are
 * the places of records that could not be read.
 */
export const chatOf = Effect.fnUntraced(function* (
  read: Read,
  root: Part,
  path: string,
  damaged: ReadonlySet<number> = new Set(),
) {
  const stem = stemOf(path);
  if (root.kind === "object") {
    const simulations = arrayOf(root, ["simulations"]);
    if (simulations !== undefined) return yield* tau2(read, root, simulations, stem);
    const samples = arrayOf(root, ["samples"]);
    if (samples !== undefined && has(root, "eval")) return yield* inspect(read, root, samples, stem);
    const agents = arrayOf(root, ["agents"]);
    if (agents !== undefined && has(root, "blocks", "tools", "groups")) return yield* letta(read, agents, stem);
  }
  const task = yield* clineOf(read, root, path);
  if (task !== undefined)
    return { format: task.format, conversations: [task], source: undefined } satisfies Chat as Chat;
  const one = yield* conversationOf(read, root, stem);
  if (one !== undefined) {
    const conversations = one.format === "atif" ? [one, ...(yield* insideOf(read, one))] : [one];
    return { format: one.format, conversations, source: undefined } satisfies Chat as Chat;
  }
  if (root.kind !== "array") return undefined;
  const conversations: Array<Conversation> = [];
  const frames = (root.parts ?? []).filter(({ start }) => !damaged.has(start));
  for (const frame of frames) {
    const found = yield* conversationOf(read, frame, stem);
    if (found !== undefined) conversations.push(found);
  }
  const [first] = conversations;
  // One element that is no conversation among many that are would be lost in silence: then the file is none.
  if (first === undefined || conversations.length !== frames.length) return undefined;
  return { format: first.format, conversations, source: undefined } satisfies Chat;
});
