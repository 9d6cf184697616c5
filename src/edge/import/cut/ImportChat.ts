/**
 * Imports the conversations of a JSON document: a frame and one entry for each message.
 *
 * Room: edge.
 *
 * A conversation is gone through twice: first its ids are made and every message is parsed, so that a damaged
 * document is refused as a whole and a derived name is held against what the log has; then its entries are taken.
 * Only one message at a time is in memory beside the file's outline.
 *
 * Decision: of an entry's own bytes only the white space between its tokens is left out. It means nothing in a
 * document, is a quarter of a pretty-printed one, and a copy that is indented otherwise is the same conversation.
 */
import { isUtf8 } from "node:buffer";
import { Effect } from "effect";
import { type History, source, thread } from "../../../domain/History.ts";
import { type JsonValue, stringAt } from "../../../domain/Json.ts";
import { replaced } from "../../../domain/WrongBytes.ts";
import type { Chat, Conversation, Read } from "../formats/ChatFormats.ts";
import { maxLineBytes, parse } from "./CutLines.ts";
import type { Entry } from "../Entry.ts";
import type { ImportRun } from "../ImportRun.ts";
import { compact, type Part } from "../formats/JsonOutline.ts";
import { nthName } from "../ThreadIds.ts";
import { timeOf } from "../../../domain/EntryTimes.ts";
import { FileThread, isCovered, isInLog, type ThreadState } from "../Threads.ts";
import type { Found } from "../find/FileWalk.ts";

/** Names that are tried for one conversation: so many different ones may come to the same derived name. */
const maxNames = 1000;

/** The object around an array, or around an object of messages by id, with that left empty. */
const around = (read: Read, frame: Part, messages: Part) =>
  Effect.map(Effect.all([read(frame.start, messages.start), read(messages.end, frame.end)]), ([before, after]) =>
    compact(Buffer.concat([before, Buffer.from(messages.kind === "object" ? "{}" : "[]"), after])),
  );

/** Reason that bytes of a document, which begin at a place in it, are no entry. */
const whyNoJson = (bytes: Buffer, start: number | undefined): string => {
  if (isUtf8(bytes)) return "is not valid JSON";
  return `is not UTF-8${start === undefined ? "" : `, from byte ${start + replaced(bytes).first} of the document on`}`;
};

/** A time that stands beside the messages, for the nth of them. */
export type TimeBeside = (value: JsonValue, number: number) => number | undefined;

interface Opened {
  readonly conversation: Conversation;
  readonly read: Read;
  readonly modified: number;
  readonly timeBeside?: TimeBeside | undefined;
}

/** Gives each entry of a conversation to `use`; answers with a reason when one of them is not valid JSON. */
const forEachEntry = Effect.fnUntraced(function* (
  { conversation, read, modified, timeBeside }: Opened,
  use: (entry: Entry) => ReturnType<ImportRun["take"]>,
) {
  const { format, frame, messages } = conversation;
  let occurredAt = modified;
  let number = 0;
  const give = (raw: Buffer, value: JsonValue, place: "frame" | "element") => {
    occurredAt = timeOf(value) ?? timeBeside?.(value, number) ?? occurredAt;
    return use({ format, place, raw, kind: "json", value, occurredAt, line: number });
  };
  if (frame !== messages) {
    const raw = yield* around(read, frame, messages);
    const value = parse(raw);
    if (value === undefined) return `what stands around the messages ${whyNoJson(raw, undefined)}`;
    const effect = give(raw, value, "frame");
    if (effect !== undefined) yield* effect;
  }
  for (const part of messages.parts ?? []) {
    number++;
    if (part.end - part.start > maxLineBytes) return `message ${number} is longer than ${maxLineBytes} bytes`;
    const bytes = yield* read(part.start, part.end);
    const raw = compact(bytes);
    const value = parse(raw);
    if (value === undefined) return `message ${number} ${whyNoJson(bytes, part.start)}`;
    // Its key is its id: so it finds its place again when it is written out.
    if (messages.kind === "object" && stringAt(value, "id") !== part.key)
      return `message ${number} has the id ${stringAt(value, "id") ?? "none"} under the key ${part.key ?? ""}`;
    const effect = give(raw, value, "element");
    if (effect !== undefined) yield* effect;
  }
  return undefined;
});

/** The first time any entry gives: messages before it, or without one, get it and not the file's own. */
const firstTime = Effect.fnUntraced(function* (opened: Opened) {
  let first: number | undefined;
  const problem = yield* forEachEntry(opened, (entry) => {
    first ??= timeOf(entry.value) ?? (entry.occurredAt === opened.modified ? undefined : entry.occurredAt);
    return undefined;
  });
  return { problem, first };
});

/** Goes through a conversation as a thread of the log would have it: which elements it has, and whether the mark agrees. */
const look = Effect.fnUntraced(function* (opened: Opened, state: ThreadState) {
  const fileThread = new FileThread(state);
  let verified = 0;
  let elements = 0;
  let shared = 0;
  yield* forEachEntry(opened, (entry) => {
    const id = fileThread.next(entry);
    if (fileThread.isAtMark()) verified = fileThread.count;
    if (entry.place !== "element") return undefined;
    elements++;
    if (isInLog(state, id)) shared++;
    return undefined;
  });
  return { verified, covered: isCovered(state, verified, fileThread.count), elements, shared };
});

/**
 * Opens the conversation's thread, or, under a derived name that a different conversation has, the next free one.
 * Two are the same when the elements of one begin the other's: a copy, a shorter one, a grown one.
 */
const openThread = Effect.fnUntraced(function* (job: ImportRun, opened: Opened, taken: ReadonlySet<string>) {
  const { conversation } = opened;
  for (let nth = 1; nth <= maxNames; nth++) {
    const name = nthName(conversation.name, nth);
    if (conversation.derived && taken.has(name)) continue;
    const state = yield* job.open(thread(name, job.tenant));
    const fileThread = new FileThread(state);
    if (state.complete && state.elements === 0) return { name, fileThread };
    if (!state.complete) {
      const { covered, verified } = yield* look(opened, state);
      if (covered) {
        fileThread.verified = verified;
        return { name, fileThread };
      }
      yield* job.threads.complete(state);
    }
    const { elements, shared } = yield* look(opened, state);
    const same = shared === elements || shared === state.elements;
    if (!conversation.derived || same || nth === maxNames) return { name, fileThread };
  }
  return undefined;
});

/** One conversation. `taken` holds the names that conversations of the same file have. */
const importConversation = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  {
    read,
    conversation,
    taken,
    timeBeside,
  }: {
    readonly read: Read;
    readonly conversation: Conversation;
    readonly taken: Set<string>;
    readonly timeBeside?: TimeBeside | undefined;
  },
) {
  const { problem, first } = yield* firstTime({ conversation, read, modified: file.modified, timeBeside });
  if (problem !== undefined) {
    job.draft.refused.push({ file: file.path, reason: `${conversation.name}: ${problem}` });
    return;
  }
  const opened = { conversation, read, modified: first ?? file.modified, timeBeside };
  const found = yield* openThread(job, opened, taken);
  if (found === undefined) {
    job.draft.refused.push({
      file: file.path,
      reason: `more than ${maxNames} conversations come to the name ${conversation.name}`,
    });
    return;
  }
  taken.add(found.name);
  yield* forEachEntry(opened, (entry) => job.take(found.fileThread, entry));
});

/** Imports what a file says beside its conversations: one entry in a history of kind `source`. */
const importSource = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  options: { readonly chat: Chat; readonly read: Read; readonly root: Part },
) {
  const { chat, read, root } = options;
  if (chat.source === undefined) return;
  const raw = yield* around(read, root, chat.source.without);
  const value = parse(raw);
  if (value === undefined) {
    job.draft.refused.push({
      file: file.path,
      reason: "what the file says beside its conversations is not valid JSON in UTF-8",
    });
    return;
  }
  const history: History = source(chat.source.name, job.tenant);
  const state = yield* job.open(history);
  yield* job.threads.complete(state);
  const entry: Entry = {
    format: chat.format,
    place: "source",
    raw,
    kind: "json",
    value,
    occurredAt: timeOf(value) ?? file.modified,
    line: 0,
  };
  yield* job.take(new FileThread(state), entry) ?? Effect.void;
});

/** All conversations of one document. */
export const importChat = Effect.fn("edge.importChat")(function* (
  job: ImportRun,
  file: Found,
  options: {
    readonly chat: Chat;
    readonly read: Read;
    readonly root: Part;
    readonly taken: Set<string>;
    readonly timeBeside?: TimeBeside | undefined;
  },
) {
  const { chat, read, taken, timeBeside } = options;
  yield* importSource(job, file, options);
  for (const conversation of chat.conversations) {
    yield* importConversation(job, file, { read, conversation, taken, timeBeside });
    job.readTo(conversation.frame.end);
  }
});
