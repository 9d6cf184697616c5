/**
 * How much an inbox holds, so that one that nobody empties leaves room for all others.
 *
 * Room: coordination.
 *
 * Decision: counted from what lies there, once a second and whenever it seems full, because a counter beside it would be
 * wrong with every message that ends by time. Several who send within that second may put in a little more.
 */
import { Clock, Effect, Schema } from "effect";
import { defaultTenant } from "../../domain/History.ts";
import type { Bucket, BucketError } from "../bucket/Bucket.ts";

/** The inbox holds as much as an inbox may. Nothing was written. */
export class InboxFull extends Schema.TaggedError<InboxFull>()("InboxFull", {
  name: Schema.String,
  messages: Schema.Natural,
  bytes: Schema.Natural,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Who has a thousand messages to handle has no use for one more now. */
export const maxMessages = 1_000;
/** Of the 256 MiB that all inboxes share: one full inbox leaves 31 of 32 parts. */
export const maxInboxBytes = 8 * 1024 * 1024;
/** How long a count is believed, with what this process has added to it. */
const countedMillis = 1_000;
/** How long a full inbox is believed to be full. */
const fullMillis = 250;
/** Inboxes whose count a process remembers; the others are counted at each message. */
const maxRemembered = 1_000;

interface Load {
  readonly messages: number;
  readonly bytes: number;
}

interface Counted {
  /** When it was counted, and how much it was. */
  readonly at: number;
  readonly before: Load;
  /** That, and what was added. */
  now: Load;
}

const plus = ({ bytes, messages }: Load, more: number): Load => ({ messages: messages + 1, bytes: bytes + more });
const isOver = ({ bytes, messages }: Load): boolean => messages > maxMessages || bytes > maxInboxBytes;

/** A name as a shell takes it. */
const quoted = (name: string): string =>
  /^[-\w.]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;

const full = (tenant: string, name: string, { bytes, messages }: Load): InboxFull => {
  const whose = tenant === defaultTenant ? quoted(name) : `${quoted(name)} --tenant ${quoted(tenant)}`;
  return new InboxFull({
    name,
    messages,
    bytes,
    message: `The inbox of ${name} is full: ${messages} messages of ${bytes} bytes wait there; ${maxMessages} and ${maxInboxBytes} are possible.`,
    hint: `recollect inbox list ${whose} shows them, recollect inbox clear ${whose} empties it.`,
  });
};

/** `filterOf`: the keys of an inbox. */
export const make = (options: {
  readonly bucket: Bucket;
  readonly tenant: string;
  readonly filterOf: (name: string) => string;
}) => {
  const { bucket, filterOf, tenant } = options;
  const counted = new Map<string, Counted>();

  const count = Effect.fnUntraced(function* (name: string) {
    const entries = yield* bucket.entries(filterOf(name));
    const bytes = entries.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    const load = { messages: entries.length, bytes };
    const found: Counted = { at: yield* Clock.currentTimeMillis, before: load, now: load };
    if (counted.size >= maxRemembered) counted.clear();
    counted.set(name, found);
    return found;
  });

  const isKnown = (known: Counted, now: number, bytes: number): boolean => {
    const age = now - known.at;
    return isOver(plus(known.before, bytes))
      ? age < fullMillis
      : age < countedMillis && !isOver(plus(known.now, bytes));
  };

  /** Makes room for a message of so many bytes. One that lies there already, under `key`, needs none. */
  const admit = Effect.fnUntraced(function* (message: {
    readonly name: string;
    readonly key: string;
    readonly bytes: number;
  }): Effect.fn.Return<void, InboxFull | BucketError> {
    const { bytes, key, name } = message;
    const now = yield* Clock.currentTimeMillis;
    const known = counted.get(name);
    const load = known !== undefined && isKnown(known, now, bytes) ? known : yield* count(name);
    const after = plus(load.now, bytes);
    if (!isOver(after)) {
      load.now = after;
      return;
    }
    const lying = yield* bucket.get(key);
    if (lying.value === undefined) return yield* full(tenant, name, load.now);
  });

  return {
    admit,
    /** Empties an inbox. Returns how many messages lay there. */
    clear: Effect.fnUntraced(function* (name: string) {
      const { before } = yield* count(name);
      yield* bucket.clear(filterOf(name));
      counted.delete(name);
      return before.messages;
    }),
  };
};
