/**
 * Imports the conversations of a JSON document: a frame and one entry for each message.
 *
 * Room: edge.
 *
 * A conversation is gone through twice: first its ids are made and every message is parsed, so that a derived name is
 * held against what the log has; then its entries are taken. Only one message at a time is in memory beside the file's
 * outline. A damaged message is kept as it came, and named; the others are read.
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
import { maxLineBytes, parse, parseShown } from "./CutLines.ts";
import type { Entry } from "../Entry.ts";
import { firstWrong } from "../formats/FirstWrong.ts";
import { type Damage, headBytes, headsIn, mostSiblings, piecesOf } from "../formats/MendOutline.ts";
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
    Buffer.concat([before, Buffer.from(messages.kind === "object" ? "{}" : "[]"), after]),
  );

/** A time that stands beside the messages, for the nth of them. */
export type TimeBeside = (value: JsonValue, number: number) => number | undefined;

/** A piece that is no JSON in UTF-8, and is kept. */
interface Wrong {
  readonly what: string;
  readonly raw: Buffer;
  /** Offset in the document of a byte of it. */
  readonly placeOf: (at: number) => number;
  /** True when it is read, with U+FFFD for what is wrong. */
  readonly isRead: boolean;
}

/** A piece as its entry has it, and what is wrong with it. */
const pieceOf = (bytes: Buffer, what: string, placeOf: Wrong["placeOf"]) => {
  const raw = compact(bytes);
  const value = parse(raw);
  if (value !== undefined) return { raw, value, kind: "json" as const, wrong: undefined };
  // With its white space: which of it means nothing cannot be told.
  const shown = parseShown(bytes);
  const wrong: Wrong = { what, raw: bytes, placeOf, isRead: shown !== undefined };
  return { raw: bytes, value: shown, kind: isUtf8(bytes) ? ("text" as const) : ("base64" as const), wrong };
};

/** A frame around messages, of which two bytes stand in it. */
const framePiece = Effect.fnUntraced(function* (read: Read, frame: Part, messages: Part, what: string) {
  const before = messages.start - frame.start;
  const left = messages.end - messages.start - 2;
  return pieceOf(yield* around(read, frame, messages), what, (at) => frame.start + at + (at < before ? 0 : left));
});

interface Opened {
  readonly conversation: Conversation;
  readonly read: Read;
  readonly modified: number;
  readonly timeBeside?: TimeBeside | undefined;
  readonly damages: Damages;
}

/** Damaged pieces by their places in the document. */
type Damages = ReadonlyMap<number, Damage>;

/** A message, or one whose damage makes it go on over the next ones, in its pieces. */
const messagePieces = Effect.fnUntraced(function* (read: Read, messages: Part, part: Part, bytes: Buffer) {
  if (parseShown(bytes) !== undefined || messages.kind === "object") return [{ start: 0, raw: bytes }];
  const others: Array<Buffer> = [];
  for (const { end, kind, start } of messages.parts ?? []) {
    if (kind !== "object" || start === part.start) continue;
    others.push(yield* read(start, Math.min(end, start + headBytes)));
    if (others.length === mostSiblings) break;
  }
  return piecesOf(bytes, headsIn(others));
});

/** Gives each entry of a conversation to `use`; answers with a reason when one of them cannot be taken. */
const forEachEntry = Effect.fnUntraced(function* (
  { conversation, damages, read, modified, timeBeside }: Opened,
  use: (entry: Entry) => ReturnType<ImportRun["take"]>,
  onWrong: (wrong: Wrong) => void = () => {},
) {
  const { format, frame, messages } = conversation;
  let occurredAt = modified;
  let number = 0;
  const give = ({ kind, raw, value, wrong }: ReturnType<typeof pieceOf>, place: "frame" | "element") => {
    if (wrong !== undefined) onWrong(wrong);
    if (value !== undefined) occurredAt = timeOf(value) ?? timeBeside?.(value, number) ?? occurredAt;
    return use({ format, place, raw, kind, value, occurredAt, line: number });
  };
  if (frame !== messages) {
    const effect = give(yield* framePiece(read, frame, messages, "what stands around the messages"), "frame");
    if (effect !== undefined) yield* effect;
  }
  for (const part of messages.parts ?? []) {
    number++;
    const damage = damages.get(part.start);
    if (damage?.isTail === true) continue;
    if (part.end - part.start > maxLineBytes) return `message ${number} is longer than ${maxLineBytes} bytes`;
    const bytes = damage?.raw ?? (yield* read(part.start, part.end));
    const piece = pieceOf(bytes, `message ${number}`, (at) => part.start + at);
    if (piece.wrong?.isRead === false) {
      for (const { raw, start } of yield* messagePieces(read, messages, part, bytes)) {
        const effect = give(
          pieceOf(raw, `message ${number}`, (at) => part.start + start + at),
          "element",
        );
        if (effect !== undefined) yield* effect;
        number++;
      }
      number--;
      continue;
    }
    // Its key is its id: so it finds its place again when it is written out.
    const id = messages.kind === "object" && piece.value !== undefined ? stringAt(piece.value, "id") : part.key;
    if (id !== part.key) return `message ${number} has the id ${id ?? "none"} under the key ${part.key ?? ""}`;
    const effect = give(piece, "element");
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
    damages,
    onWrong,
    taken,
    timeBeside,
  }: {
    readonly read: Read;
    readonly conversation: Conversation;
    readonly taken: Set<string>;
    readonly timeBeside?: TimeBeside | undefined;
    readonly damages: Damages;
    readonly onWrong: (wrong: Wrong) => void;
  },
) {
  const { problem, first } = yield* firstTime({ conversation, damages, read, modified: file.modified, timeBeside });
  if (problem !== undefined) {
    job.draft.refused.push({ file: file.path, reason: `${conversation.name}: ${problem}` });
    return;
  }
  const opened = { conversation, damages, read, modified: first ?? file.modified, timeBeside };
  const found = yield* openThread(job, opened, taken);
  if (found === undefined) {
    job.draft.refused.push({
      file: file.path,
      reason: `more than ${maxNames} conversations come to the name ${conversation.name}`,
    });
    return;
  }
  taken.add(found.name);
  yield* forEachEntry(opened, (entry) => job.take(found.fileThread, entry), onWrong);
});

/** Imports what a file says beside its conversations: one entry in a history of kind `source`. */
const importSource = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  options: {
    readonly chat: Chat;
    readonly read: Read;
    readonly root: Part;
    readonly onWrong: (wrong: Wrong) => void;
  },
) {
  const { chat, onWrong, read, root } = options;
  if (chat.source === undefined) return;
  const { kind, raw, value, wrong } = yield* framePiece(
    read,
    root,
    chat.source.without,
    "what stands around the conversations",
  );
  if (wrong !== undefined) onWrong(wrong);
  const history: History = source(chat.source.name, job.tenant);
  const state = yield* job.open(history);
  yield* job.threads.complete(state);
  const entry: Entry = {
    format: chat.format,
    place: "source",
    raw,
    kind,
    value,
    occurredAt: timeOf(value) ?? file.modified,
    line: 0,
  };
  yield* job.take(new FileThread(state), entry) ?? Effect.void;
});

/** Lines and bytes of places in a document that are asked for in their order: only what is between them is read. */
const makePlaces = (read: Read, line: number | undefined) => {
  let lines = line ?? 1;
  let begin = 0;
  let from = 0;
  return Effect.fnUntraced(function* (offset: number) {
    if (offset < from) [lines, begin, from] = [line ?? 1, 0, 0];
    while (from < offset) {
      const to = Math.min(offset, from + placedBytes);
      const bytes = yield* read(from, to);
      for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) {
        lines++;
        begin = from + at + 1;
      }
      from = to;
    }
    return { line: lines, byte: offset - begin + 1 };
  });
};

const placedBytes = 4 * 1024 * 1024;
const newline = 0x0a;

type Places = ReturnType<typeof makePlaces>;

/** A piece that was kept, with the place of its first wrong byte. */
const keptOf = Effect.fnUntraced(function* (places: Places, { isRead, placeOf, raw, what }: Wrong) {
  const { count, first } = replaced(raw);
  const at = isRead ? first - 1 : (firstWrong(raw) ?? 0);
  const how = isRead
    ? `not UTF-8: read with U+FFFD in ${count === 1 ? "1 place" : `${count} places`}`
    : "no JSON in UTF-8: kept as it came";
  return { ...(yield* places(placeOf(at))), reason: `${what}: ${how}` };
});

/** A piece that is of no conversation, or is not finished. */
const lost = Effect.fnUntraced(function* (places: Places, { isTail, raw, start }: Damage) {
  const { byte, line } = yield* places(start);
  return {
    line,
    reason: isTail
      ? `the document ends in the middle, from byte ${byte} of line ${line} on: import again when its writer has finished`
      : `${raw.length} bytes from byte ${byte} of line ${line} on are no conversation in JSON: mend what stands there, or export it again from where it comes, and import that`,
  };
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
    /** Pieces that could not be read. */
    readonly damages?: ReadonlyArray<Damage> | undefined;
    /** The line the document stands on, where each line is one. */
    readonly line?: number | undefined;
  },
) {
  const { chat, damages = [], line, read, taken, timeBeside } = options;
  const places = makePlaces(read, line);
  const wrong: Array<Wrong> = [];
  const onWrong = (one: Wrong): void => void wrong.push(one);
  const tell = Effect.gen(function* () {
    for (const one of wrong.splice(0)) job.draft.keptOf({ file: file.path, ...(yield* keptOf(places, one)) });
  });
  yield* importSource(job, file, { ...options, onWrong });
  yield* tell;
  const all: Damages = new Map(damages.map((damage) => [damage.start, damage]));
  for (const conversation of chat.conversations) {
    yield* importConversation(job, file, { read, conversation, taken, timeBeside, damages: all, onWrong });
    yield* tell;
    job.readTo(conversation.frame.end);
  }
  const messages = new Set(chat.conversations.flatMap((one) => (one.messages.parts ?? []).map(({ start }) => start)));
  for (const damage of damages)
    if (damage.isTail || !messages.has(damage.start))
      job.draft.refused.push({ file: file.path, ...(yield* lost(places, damage)) });
});
