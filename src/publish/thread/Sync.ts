/**
 * A conversation as its client holds it, handed over again and again: only what is new is appended.
 *
 * Room: publish.
 *
 * Promises, each a test in `test/publish/Sync.test.ts`:
 * - the same list again appends nothing, a list that goes on appends what goes on, in this process and in the next;
 * - a list that was edited, truncated or compacted appends what is new in it, and the event says what happened;
 * - a message that repeats the thread as text costs what is new in it, and reads back byte for byte;
 * - with the log away everything is kept; ids are derived from what came before, so that what the log had already is
 *   one event when it is back.
 *
 * The first call of a process reads the thread once. From then on a call costs the hashes of what is handed over and
 * one read of what others wrote meanwhile.
 */
import { Effect, Option, Result, Semaphore, Stream } from "effect";
import type { Part } from "../../domain/thread/Content.ts";
import type { EventData, RecordedEvent } from "../../domain/Event.ts";
import * as EventId from "../../domain/EventId.ts";
import { type History, keyOf } from "../../domain/History.ts";
import { jsonBytes } from "../../domain/Truncate.ts";
import { type Carry, noCarry } from "../../domain/interpret/Interpreter.ts";
import { originalParts, replaceRepeats, textOf } from "../../domain/thread/RepeatedText.ts";
import {
  contentHash,
  Held,
  isPromptRole,
  prefixesOf,
  type ConversationDiff,
} from "../../domain/thread/ConversationDiff.ts";
import { mostTextUnits, TextIndex } from "../../domain/search/TextIndex.ts";
import { factsOfSafely } from "../../domain/thread/Thread.ts";
import { decodeData } from "../../domain/Upcast.ts";
import type { LogUnavailable } from "../../log/EventLog.ts";
import { type ChatMessage, messageOf } from "./ChatMessage.ts";
import { type About, type Given, newId } from "../write/NewEvent.ts";
import { InvalidEvent } from "../write/InvalidEvent.ts";
import type { Published, Publisher, PublishError } from "../Publisher.ts";
import { storable } from "../storing/StoragePolicy.ts";
import { wholeParts } from "./WholeParts.ts";

type Message = Given<EventData<"thread.message_appended">>;

/** Outcome of a list. */
export interface Synced {
  /** One for each message that was new, in order. */
  readonly appended: ReadonlyArray<Published>;
  /** Messages that the thread had already. */
  readonly known: number;
  /** Number of new ones stored without what they repeat. */
  readonly normalised: number;
  /** Change that the client made to its history; undefined when it only went on. */
  readonly resent: ConversationDiff | undefined;
}

/** A thread of 10,000 messages is read in well under this, once; what others wrote meanwhile at once. */
const readMillis = 10_000;
/** Events of one list that are on their way together: as many as go into one append. */
const mostTogether = 250;
/** An id is met again when the same list comes again. One that was forgotten is one event in the log all the same. */
const mostIds = 65_536;
/** A larger text is not looked into; see `TextIndex`. A unit is at most three bytes. */
const mostTextBytes = 3 * mostTextUnits;
/** Texts of one thread kept for giving originals back while it is read, in UTF-16 units. */
const mostOriginalUnits = 8 * 1024 * 1024;

interface Asked {
  readonly parts: ReadonlyArray<Part>;
  readonly more: Partial<Message>;
  readonly role: string;
  readonly hash: string;
}

/** The message texts of a thread as they came, the newest within a bound. */
class Texts {
  readonly #texts = new Map<string, string>();
  #units = 0;

  readonly of = (messageId: string): string | undefined => this.#texts.get(messageId);

  set(messageId: string, text: string): void {
    this.#units += text.length - (this.#texts.get(messageId)?.length ?? 0);
    this.#texts.delete(messageId);
    this.#texts.set(messageId, text);
    for (const [oldest, { length }] of this.#texts) {
      if (this.#units <= mostOriginalUnits) break;
      this.#texts.delete(oldest);
      this.#units -= length;
    }
  }
}

const hasWholeText = (parts: ReadonlyArray<Part>): boolean =>
  parts.every((part) => part.type !== "text" || part.blob == null);

/** Parts as they may be stored: what is compared is what the thread holds, and it never held a secret. */
type Storing = (parts: ReadonlyArray<Part>) => ReadonlyArray<Part>;

/** A message that a client hands over, or why it is none: `index` is its place in the list. */
const askedFor = (
  message: ChatMessage,
  index: number | undefined,
  storing: Storing,
): Effect.Effect<Asked, InvalidEvent> => {
  const read = messageOf(message);
  if (Result.isFailure(read)) {
    const which = index === undefined ? "The message" : `Message ${index} of the list`;
    return new InvalidEvent({
      type: "thread.message_appended",
      message: `${which} is none: ${read.failure.reason}.`,
      hint: "Say { role, text }, { role, parts }, or a message of the chat-completions API.",
    });
  }
  const { more } = read.success;
  const parts = storing(read.success.parts);
  return Effect.succeed({ parts, more, role: message.role, hash: contentHash(message.role, parts) });
};

/** One thread as this process knows it. */
export class Sync {
  readonly #publisher: Publisher["Service"];
  readonly #history: History;
  readonly #one = Semaphore.makeUnsafe(1);
  #held = new Held();
  #index = new TextIndex();
  #texts = new Texts();
  #carry: Carry = noCarry;
  #upTo = 0;
  /** Ids of its newest events. */
  readonly #ids = new Set<string>();
  /** Our own events that the log has not given back yet. */
  readonly #own = new Set<string>();

  constructor(publisher: Publisher["Service"], history: History) {
    this.#publisher = publisher;
    this.#history = history;
  }

  /** The whole conversation, as its client holds it. */
  sync(messages: ReadonlyArray<ChatMessage>, about: About): Effect.Effect<Synced, PublishError> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#catchUp;
      const asked = yield* Effect.forEach(messages, (message, index) => askedFor(message, index, this.#storing));
      const prefixes = prefixesOf(asked.map(({ hash }) => hash));
      const sent = asked.map(({ hash, parts, role }, index) => ({
        hash,
        isPrompt: isPromptRole(role),
        units: jsonBytes(parts),
        isAppended: this.#ids.has(this.#idFor(prefixes[index] ?? "")),
      }));
      const compared = this.#held.compare(sent, prefixes);
      const { fresh, resent } = compared;
      const done = yield* Effect.forEach(
        fresh,
        (index, nth) => this.#appendAt(asked, { prefixes, index, about, resent: nth === 0 ? resent : undefined }),
        { concurrency: mostTogether },
      );
      this.#held.saw(prefixes, compared);
      const normalised = done.filter(({ isNormalised }) => isNormalised).length;
      const appended = done.map(({ published }) => published);
      return { appended, known: messages.length - fresh.length, normalised, resent };
    }).pipe(this.#orForget, this.#one.withPermits(1));
  }

  /** One message that is new, whatever the thread holds: stored without what it repeats. */
  observe(message: ChatMessage, about: About): Effect.Effect<Published, PublishError> {
    return Effect.gen({ self: this }, function* () {
      yield* this.#catchUp;
      const one = yield* askedFor(message, undefined, this.#storing);
      const id = about.id ?? (yield* newId);
      return (yield* this.#append(one, { ...about, id }, undefined)).published;
    }).pipe(this.#orForget, this.#one.withPermits(1));
  }

  /**
   * A message's parts as they came; undefined when the log has no such message, or no longer all it refers to. Fails
   * while the log is away.
   */
  original(messageId: string): Effect.Effect<ReadonlyArray<Part> | undefined, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const { read, blob } = this.#publisher;
      const texts = new Texts();
      let carry = noCarry;
      let found: ReadonlyArray<Part> | undefined;
      yield* Stream.runForEach(
        read(this.#history, 0),
        Effect.fnUntraced(function* (event) {
          const said = messagesIn(event, carry);
          ({ carry } = said);
          for (const message of said.messages) {
            const isAsked = message.messageId === messageId;
            const parts = originalParts(yield* wholeTexts(message, blob), texts.of);
            if (isAsked) found = parts === undefined ? undefined : yield* wholeParts(parts, blob);
            if (parts !== undefined) texts.set(message.messageId, textOf(parts));
          }
        }),
      );
      return found;
    });
  }

  readonly #storing: Storing = (parts) => storable(this.#publisher.policy(), "thread.message_appended", parts);

  /** Drops what was not accepted: the thread is read anew. */
  readonly #orForget = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onError(effect, () =>
      Effect.sync(() => {
        this.#held = new Held();
        this.#index = new TextIndex();
        this.#texts = new Texts();
        this.#carry = noCarry;
        this.#upTo = 0;
        this.#own.clear();
        this.#ids.clear();
      }),
    );

  /** The same place in the same conversation is the same event, also in another process. */
  #idFor(prefix: string): string {
    return EventId.fromContent("sync", keyOf(this.#history), prefix, "0");
  }

  #appendAt(
    asked: ReadonlyArray<Asked>,
    at: {
      readonly prefixes: ReadonlyArray<string>;
      readonly index: number;
      readonly about: About;
      readonly resent: ConversationDiff | undefined;
    },
  ) {
    const one = asked[at.index];
    if (one === undefined) return Effect.die("a message that was not sent");
    const id = this.#idFor(at.prefixes[at.index] ?? "");
    return this.#append(one, { ...at.about, id }, at.resent);
  }

  /** Held before it is published, so that the next one may refer to it: the lane keeps their order. */
  #append(one: Asked, about: About & { readonly id: string }, resent: ConversationDiff | undefined) {
    const { more, role, hash } = one;
    return Effect.suspend(() => {
      const { id } = about;
      const replaced = this.#withoutRepeats(one.parts);
      const messageId = more.messageId ?? id;
      const data = { ...more, ...replaced, messageId, role, ...(resent === undefined ? {} : { resent }) };
      this.#own.add(id);
      this.#seen(id);
      this.#held.add(messageId, { hash, isPrompt: isPromptRole(role) });
      this.#know(messageId, one.parts);
      const history = this.#history;
      const event = { ...about, history, type: "thread.message_appended", data: data as Message } as const;
      return Effect.map(this.#publisher.publish(event), (published) => ({
        published,
        isNormalised: "normalised" in replaced,
      }));
    });
  }

  #seen(id: string): void {
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= mostIds) break;
      this.#ids.delete(oldest);
    }
  }

  /** The largest text, without what it repeats: a client embeds its history in one. */
  #withoutRepeats(parts: ReadonlyArray<Part>) {
    const texts = parts.flatMap((part, at) => (part.type === "text" ? [{ at, text: part.text }] : []));
    const [largest] = texts.toSorted((a, b) => b.text.length - a.text.length);
    const replaced = largest === undefined ? undefined : replaceRepeats(largest.text, largest.at, this.#index);
    if (largest === undefined || replaced === undefined) return { parts };
    const { normalised } = replaced;
    const short = { parts: parts.toSpliced(largest.at, 1, ...replaced.parts), normalised };
    // A message that cannot be had back exactly is stored as it came.
    return originalParts(short, this.#texts.of) === undefined ? { parts } : short;
  }

  #know(messageId: string, parts: ReadonlyArray<Part>): void {
    const text = textOf(parts);
    if (!hasWholeText(parts) || text === "") return;
    this.#index.add(messageId, text);
    this.#texts.set(messageId, text);
  }

  /** Events that others wrote since. With the log unreachable, those that this process knows. */
  get #catchUp(): Effect.Effect<void> {
    return this.#publisher.read(this.#history, this.#upTo).pipe(
      Stream.runForEach((event) => this.#take(event)),
      Effect.timeoutOption(readMillis),
      Effect.tap((done) =>
        Option.isSome(done) ? Effect.void : Effect.logWarning("The thread could not be read in time"),
      ),
      Effect.ignore,
    );
  }

  #take(event: RecordedEvent): Effect.Effect<void, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const isOwn = this.#own.delete(event.id);
      const { carry, messages } = isOwn ? { carry: this.#carry, messages: [] } : messagesIn(event, this.#carry);
      for (const message of messages) {
        const { messageId, normalised, role } = message;
        // A message stored before it was redacted, or with a transcript, is the same message.
        const hash = contentHash(role, this.#storing(message.parts), normalised);
        const parts = originalParts(yield* wholeTexts(message, this.#publisher.blob), this.#texts.of) ?? message.parts;
        this.#held.add(messageId, { hash, isPrompt: isPromptRole(role) });
        this.#know(messageId, parts);
      }
      this.#carry = carry;
      this.#seen(event.id);
      this.#upTo = event.sequence;
    });
  }
}

type Blobs = Publisher["Service"]["blob"];

type Said = Pick<EventData<"thread.message_appended">, "messageId" | "role" | "parts" | "normalised">;

/** The messages of an event, ours and foreign ones. A refused event says nothing. */
const messagesIn = (
  event: RecordedEvent,
  carry: Carry,
): { readonly carry: Carry; readonly messages: ReadonlyArray<Said> } => {
  const decoded = decodeData(event);
  if (Result.isFailure(decoded)) return { carry, messages: [] };
  const known = decoded.success;
  if (known._tag === "Known" && known.type === "thread.message_appended") return { carry, messages: [known.data] };
  const facts = factsOfSafely(event, carry);
  if (Result.isFailure(facts)) return { carry, messages: [] };
  const messages = facts.success.facts.flatMap((fact) =>
    fact._tag === "MessageSaid" ? [{ messageId: fact.messageId, role: fact.role, parts: fact.parts }] : [],
  );
  return { carry: facts.success.carry ?? carry, messages };
};

/** With the whole of the texts of which the event has only the head. */
const wholeTexts = (message: Said, blob: Blobs): Effect.Effect<Said, LogUnavailable> => {
  if (hasWholeText(message.parts)) return Effect.succeed(message);
  const isText = (part: Part) => part.type === "text" && (part.blob?.bytes ?? 0) <= mostTextBytes;
  return Effect.map(wholeParts(message.parts, blob, isText), (parts) => ({ ...message, parts }));
};
