/**
 * Vercel AI SDK: chats that are kept, and what `resumable-stream` needs to resume a stream on another machine.
 *
 * Room: edge.
 *
 * A chat is a thread, a message an event of the format `ai-sdk`, written once and again when it has changed; which of them the
 * chat holds now, and in which order, is an event where that is not simply all of them. Read from ai 7.0.173 and
 * resumable-stream 2.2.13.
 */
import type { AppendedEvent, EventFold, Histories, HistoriesAndChannels } from "./Client.ts";
import { decideOrKeep, newId } from "./Appending.ts";
import { inOrder } from "./InOrder.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";
import { isUnavailable } from "./SdkRefused.ts";
import { type Stored, stored, storedValue, textOf } from "./StoredValue.ts";
import { boundedId } from "../import/ThreadIds.ts";

export { SdkRefused } from "./SdkRefused.ts";

/** Fields of a `UIMessage` that are read; all of it is kept. */
export interface ChatMessageShape {
  readonly id: string;
  readonly role: string;
}

export interface ChatStore {
  /** All messages of the chat, deep-equal to what was saved; none for a chat that there is not. */
  load<Message extends ChatMessageShape = ChatMessageShape>(chatId: string): Promise<Array<Message>>;
  /**
   * The chat as its client holds it, as `onFinish` gives it: only what is new or changed is written. Of two writers that
   * loaded the chat before, both keep what they added. Saved twice is saved once.
   */
  save(chat: { chatId: string; messages: ReadonlyArray<ChatMessageShape> }): Promise<void>;
  /** Sets the stream of the chat that can be resumed; null for none. */
  setActiveStream(chatId: string, streamId: string | null): Promise<void>;
  activeStream(chatId: string): Promise<string | null>;
}

const format = "ai-sdk";
const arranged = "x.ai_sdk.arranged";
const streaming = "x.ai_sdk.streaming";
/** Chats whose last loaded order is remembered. */
const mostChats = 1_000;

interface Chat {
  /** Each saved form of each message, and where the newest form of an id is. */
  readonly forms: Listed<{ readonly id: string; readonly value: Stored }>;
  readonly order: ReadonlyArray<string>;
  readonly stream: string | null;
}

const idIn = (data: unknown): string => {
  const { about, entry } = data as {
    readonly about?: { readonly id: string };
    readonly entry?: { readonly id: string };
  };
  return about?.id ?? entry?.id ?? "";
};

const chat: EventFold<Chat> = {
  initial: { forms: none, order: [], stream: null },
  apply: (state, { data, type }) => {
    if (type === arranged) return { ...state, order: (data as { readonly ids: ReadonlyArray<string> }).ids };
    if (type === streaming) return { ...state, stream: (data as { readonly stream: string | null }).stream };
    if (type !== "thread.entry_recorded" || (data as { readonly format: string }).format !== format) return state;
    const id = idIn(data);
    const { blob, entry } = data as Stored;
    const forms = added(state.forms, { id, value: blob == null ? { entry } : { blob } });
    return { ...state, forms, order: state.order.includes(id) ? state.order : [...state.order, id] };
  },
};

/** The newest form of each message, by its id. Of a state that stays: it is asked for at every save. */
const newestOf = (state: Chat): ReadonlyMap<string, Stored> =>
  new Map(toArray(state.forms).map(({ id, value }) => [id, value]));

const isSame = (one: Stored | undefined, text: string, sha256: string | undefined): boolean =>
  one !== undefined && (one.blob == null ? JSON.stringify(one.entry) === text : one.blob.sha256 === sha256);

/** Both changes to a list: what others added since it was seen stays, and what they took away stays away. */
const merged = (
  now: ReadonlyArray<string>,
  given: ReadonlyArray<string>,
  seen: ReadonlySet<string> | undefined,
): ReadonlyArray<string> => {
  if (seen === undefined) return given;
  const [mine, there] = [new Set(given), new Set(now)];
  const kept = given.filter((id) => there.has(id) || !seen.has(id));
  return [...kept, ...now.filter((id) => !seen.has(id) && !mine.has(id))];
};

/** The chats of the AI SDK as threads. Several processes may save and load one. */
export const chatStore = (recollect: Histories): ChatStore => {
  const ordered = inOrder();
  /** Ids that this store has loaded or saved: what is missing from them in a later save was removed by its caller. */
  const seen = new Map<string, ReadonlySet<string>>();
  const remember = (chatId: string, ids: ReadonlyArray<string>): void => {
    seen.delete(chatId);
    seen.set(chatId, new Set(ids));
    for (const [oldest] of seen) {
      if (seen.size <= mostChats) break;
      seen.delete(oldest);
    }
  };
  const historyOf = (chatId: string) => recollect.history({ thread: chatId });

  const save = async (chatId: string, messages: ReadonlyArray<ChatMessageShape>): Promise<void> => {
    const entries = messages.map((message) => {
      const text = textOf(message);
      return { id: message.id, text, eventId: newId(), ...stored(text) };
    });
    const given = [...new Set(messages.map(({ id }) => id))];
    let order: ReadonlyArray<string> = given;
    await decideOrKeep(historyOf(chatId), chat, (state) => {
      const known = newestOf(state ?? chat.initial);
      const fresh = entries.filter(({ id, text, value }) => !isSame(known.get(id), text, value.blob?.sha256));
      const events: Array<AppendedEvent> = fresh.map(({ blobs, eventId, id, value }) => ({
        id: eventId,
        type: "thread.entry_recorded",
        data: { format, ...value, ...(value.blob === undefined ? {} : { about: { id } }) },
        blobs,
        source: format,
      }));
      if (state === undefined) return events;
      order = merged(state.order, given, seen.get(chatId));
      const asAppended = [...state.order, ...given.filter((id) => !state.order.includes(id))];
      const isSimple = order.length === asAppended.length && order.every((id, at) => id === asAppended[at]);
      return isSimple ? events : [...events, { id: newId(), type: arranged, data: { ids: order } }];
    });
    remember(chatId, order);
  };

  return {
    load: async <Message extends ChatMessageShape>(chatId: string) => {
      const history = historyOf(chatId);
      const { state } = await history.folded(chat);
      const newest = newestOf(state);
      remember(chatId, state.order);
      const values = state.order.flatMap((id) => newest.get(id) ?? []).map((value) => storedValue(history, value));
      return (await Promise.all(values)) as Array<Message>;
    },
    save: ({ chatId, messages }) => ordered(chatId, () => save(chatId, messages)),
    setActiveStream: async (chatId, stream) => {
      await decideOrKeep(historyOf(chatId), chat, (state) =>
        state?.stream === stream ? [] : [{ id: newId(), type: streaming, data: { stream } }],
      );
    },
    activeStream: async (chatId) => (await historyOf(chatId).folded(chat)).state.stream,
  };
};

/** Options of `createResumableStreamContext` of `resumable-stream` beside `waitUntil`. */
export interface ResumableStreams {
  readonly publisher: {
    connect(): Promise<unknown>;
    publish(channel: string, message: string): Promise<number>;
    set(key: string, value: string, options?: { EX?: number }): Promise<"OK">;
    get(key: string): Promise<string | number | null>;
    incr(key: string): Promise<number>;
  };
  readonly subscriber: {
    connect(): Promise<unknown>;
    subscribe(channel: string, callback: (message: string) => void): Promise<number>;
    unsubscribe(channel: string): Promise<unknown>;
  };
}

const valueSet = "x.resumable_stream.set";
/** Text of one message on a channel, in UTF-16 units: at most three bytes each. */
const mostUnits = 200_000;
/** As Redis says it: the package looks for these words. */
const notInteger = "ERR value is not an integer or out of range";

interface Value {
  readonly value: string | null;
  /** Epoch milliseconds. */
  readonly until: number;
}

const value: EventFold<Value> = {
  initial: { value: null, until: 0 },
  apply: (state, { data, type }) => (type === valueSet ? (data as Value) : state),
};

const now = (state: Value): string | null => (state.until !== 0 && state.until <= Date.now() ? null : state.value);

/** A text in pieces of whole characters. The chunks of a stream may be cut: they are put together again. */
const piecesOf = (text: string): ReadonlyArray<string> => {
  const pieces: Array<string> = [];
  for (let at = 0; at < text.length;) {
    const end = at + mostUnits;
    const isInside = end < text.length && text.charCodeAt(end - 1) >= 0xd800 && text.charCodeAt(end - 1) < 0xdc00;
    pieces.push(text.slice(at, isInside ? end - 1 : end));
    at = isInside ? end - 1 : end;
  }
  return pieces.length === 0 ? [text] : pieces;
};

/**
 * `publisher` and `subscriber` for `resumable-stream`: chunks go between processes and are not kept, the state of a stream is
 * a history. With the server unreachable a stream goes on for who reads it first, and cannot be resumed meanwhile.
 */
export const resumableStreams = (recollect: HistoriesAndChannels): ResumableStreams => {
  const ends = new Map<string, () => Promise<void>>();
  /** As over one connection of Redis: what was set before is there for what comes after, at whoever hears of it. */
  let writing: Promise<unknown> = Promise.resolve();
  const write = <A>(run: () => Promise<A>): Promise<A> => {
    const written = writing.then(run);
    writing = written.catch(() => undefined);
    return written;
  };
  const historyOf = (key: string) => recollect.history({ session: boundedId(key) });
  return {
    publisher: {
      connect: async () => undefined,
      publish: async (name, message) => {
        await writing;
        const channel = recollect.channel(name);
        try {
          for (const piece of piecesOf(message)) await channel.publish(piece);
          return 1;
        } catch (error) {
          // At most once, as Redis has it: a chunk that nobody hears must not end the stream that it is of.
          if (isUnavailable(error)) return 0;
          throw error;
        }
      },
      set: async (key, given, options = {}) => {
        const until = options.EX === undefined ? 0 : Date.now() + options.EX * 1_000;
        const data: Value = { value: given, until };
        await write(() => decideOrKeep(historyOf(key), value, () => [{ id: newId(), type: valueSet, data }]));
        return "OK";
      },
      get: async (key) => {
        await writing;
        return now((await historyOf(key).folded(value)).state);
      },
      incr: async (key) => {
        let next = 1;
        await historyOf(key).decide(value, (state) => {
          const known = now(state) ?? "0";
          if (!/^-?\d+$/.test(known)) throw new Error(notInteger);
          next = Number(known) + 1;
          const data: Value = { value: String(next), until: now(state) === null ? 0 : state.until };
          return [{ id: newId(), type: valueSet, data }];
        });
        return next;
      },
    },
    subscriber: {
      connect: async () => undefined,
      subscribe: async (name, callback) => {
        await ends.get(name)?.();
        ends.set(name, await recollect.channel(name).subscribe(callback));
        return ends.size;
      },
      unsubscribe: async (name) => {
        const end = ends.get(name);
        ends.delete(name);
        await end?.();
      },
    },
  };
};
