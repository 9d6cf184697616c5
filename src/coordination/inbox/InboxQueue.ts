/**
 * Inboxes as queues in a bucket: put, taken under a lease with a receipt, acknowledged, given back, or dead.
 *
 * Room: coordination.
 *
 * A value per message, `inbox.<tenant>.<name>.<id>`, or `large.…` above 8 KiB, so that messages and bytes of an inbox are
 * bounded by two counts. Taking a message writes it anew, behind all others, so the oldest value is mostly free: taking
 * costs one read and one write, acknowledging one write, however many wait. A receipt is the revision of that write, and
 * what it settles is conditional on it: a fencing token.
 *
 * Decision: an acknowledged message leaves a mark, which is durable, and the mark is purged behind it, because a purge
 * alone is forgotten by a server that is killed, and marks that stay for a minute lie between readers and new messages.
 *
 * Decision: not the task queue and no consumer of JetStream, because an acknowledgement there takes the message from
 * its holder (nats-server 2.15.1: A's lease lapsed, B was given the message, A's ack removed it), and a consumer for
 * each name stays at the server. A task is an event history with a claim as its truth; a message is its queue entry.
 */
import { Effect } from "effect";
import { type Bucket, type BucketError, faultOfKey, keyOf, type Settings } from "../bucket/Bucket.ts";
import { ttlBounds } from "./InboxCheck.ts";
import { type DeadLetter, deadLetter, type Lying, lying, type Message } from "./InboxMessage.ts";

export const settings: Settings = {
  name: "RECOLLECT_INBOX",
  description: "Recollect: messages between agents that were not handled yet.",
  storage: "durable",
  // 2,000 messages of the largest kind, half a million short ones.
  maxBytes: 256 * 1024 * 1024,
  // The body may be escaped, and its envelope is short.
  maxValueBytes: 512 * 1024,
  whenFull: "refuse",
};

/** Bytes of a value above which a message is large. */
const largeBytes = 8 * 1024;
/** Messages of an inbox by size: at most 8 MiB of each kind, of the 256 MiB that all inboxes share. */
export const bounds = { inbox: 1_000, large: 64 } as const;
/** Dead letters of an inbox; the oldest ones go first. */
const maxDead = 100;
const deadMillis = 30 * 86_400_000;
/** Values that are read at once behind the oldest one, when that is taken. */
const pageSize = 32;
/** Pause after a failed attempt: twice as long each time, up to a minute. */
const restMillis = (attempts: number): number => Math.min(250 * 2 ** attempts, 60_000);
const maxReasonLength = 1_000;

/** A message that was taken, until another receiver takes it. */
export interface Held extends Lying {
  readonly key: string;
  readonly revision: number;
}

interface Lease {
  readonly leaseMillis: number;
  readonly maxAttempts: number;
}

type Kind = keyof typeof bounds;

/** Names a message and the write that took it. */
type Receipt = Pick<Held, "key" | "revision">;

/** In one word for a shell: `revision.inbox.id` or `revision.large.id`. */
export const receiptOf = ({ key, message, revision }: Held): string =>
  `${revision}.${key.startsWith("large.") ? "large" : "inbox"}.${message.id}`;

/** Undefined for what can be no receipt of that inbox. */
export const receiptIn = (tenant: string, name: string, receipt: string): Receipt | undefined => {
  const [, revision = "", kind = "", id = ""] = /^(\d{1,15})\.(inbox|large)\.(.+)$/s.exec(receipt) ?? [];
  const key = keyOf(kind, tenant, name, id);
  return id === "" || faultOfKey(key) !== undefined ? undefined : { key, revision: Number(revision) };
};

/** Keys of an inbox. */
export const inboxKeys = (tenant: string, name: string): string => `*.${keyOf(tenant, name)}.*`;
const deadKeys = (tenant: string, name: string, id?: string): string =>
  `${keyOf("dead", "letter", tenant, name)}.${id === undefined ? "*" : keyOf(id)}`;

export const make = (bucket: Bucket, tenant: string) => {
  const bytesOf = (message: Message) => lying.bytes({ message, attempts: 0, takenUntil: 0 });
  const kindOf = (message: Message): Kind => (bytesOf(message).length > largeBytes ? "large" : "inbox");

  const count = Effect.fnUntraced(function* (filter: string) {
    const { entries, more } = yield* bucket.next(filter, { most: 1 });
    return entries.length + more;
  });

  const keyIn = (message: Message): string => keyOf(kindOf(message), tenant, message.to, message.id);

  /** Puts it in; one of its id that lies there stays as it is. */
  const put = Effect.fnUntraced(function* (message: Message) {
    const key = keyIn(message);
    const lifetime = { ttlMillis: Math.max(ttlBounds.least, message.expiresAt - message.sentAt) };
    const written = yield* bucket.replace(key, bytesOf(message), 0, lifetime);
    if (written !== undefined) return;
    const { revision, value } = yield* bucket.get(key);
    if (value === undefined) yield* bucket.replace(key, bytesOf(message), revision, lifetime);
  });

  /** Writes what becomes of a message that is held. Undefined: it is held no longer. */
  const change = Effect.fnUntraced(function* (held: Held, becomes: (now: number) => Partial<Lying>) {
    const { key, revision, ...before } = held;
    const now = yield* bucket.now;
    const after: Lying = { ...before, ...becomes(now) };
    const lifetime = { ttlMillis: Math.max(ttlBounds.least, before.message.expiresAt - now) };
    const written = yield* bucket.replace(key, lying.bytes(after), revision, lifetime);
    return written === undefined ? undefined : { ...after, key, revision: written };
  });

  /** Takes it out, if it is as it was. */
  const drop = ({ key, revision }: Receipt) => bucket.remove(key, revision, "dropped");

  /** The dead letter first: between the two a message is rather there twice than nowhere. */
  const bury = Effect.fnUntraced(function* ({ attempts, key, message, revision }: Held, reason: string) {
    const diedAt = yield* bucket.now;
    const dead = deadLetter.bytes({ message, attempts, reason: reason.slice(0, maxReasonLength), diedAt });
    yield* bucket.put(deadKeys(tenant, message.to, message.id), dead, { ttlMillis: deadMillis });
    yield* drop({ key, revision });
    const { entries, more } = yield* bucket.next(deadKeys(tenant, message.to), { most: 1 });
    const [oldest] = entries;
    if (oldest !== undefined && more >= maxDead) yield* bucket.clear(oldest.key, oldest.revision);
  });

  const extend = (held: Held, leaseMillis: number) => change(held, (now) => ({ takenUntil: now + leaseMillis }));

  /** The oldest that is free. `later`: those that lie there are taken or rest. */
  const take = Effect.fnUntraced(function* (
    name: string,
    { leaseMillis, maxAttempts }: Lease,
  ): Effect.fn.Return<Held | "none" | "later", BucketError> {
    let lies = false;
    for (let after = 0, most = 1; ; most = pageSize) {
      const { entries, more } = yield* bucket.next(inboxKeys(tenant, name), { after, most });
      const now = yield* bucket.now;
      for (const entry of entries) {
        const { key, revision } = entry;
        after = revision;
        const found = lying.in(entry);
        if (found === undefined || found.message.expiresAt <= now) continue;
        lies = true;
        if (found.takenUntil > now) continue;
        if (found.attempts >= maxAttempts) {
          yield* bury({ ...found, key, revision }, `taken ${found.attempts} times, and never acknowledged`);
          continue;
        }
        const mine = { ...found, attempts: found.attempts + 1, maxAttempts, key, revision };
        const held = yield* extend(mine, leaseMillis);
        if (held !== undefined) return held;
      }
      if (more === 0 || entries.length === 0) return lies ? "later" : "none";
    }
  });

  return {
    count: (kind: Kind, name: string) => count(`${keyOf(kind, tenant, name)}.*`),
    kindOf,
    lies: (message: Message) => Effect.map(bucket.get(keyIn(message)), ({ value }) => value !== undefined),
    /** Message that a receipt holds; undefined when it holds none. */
    held: Effect.fnUntraced(function* ({ key, revision }: Receipt): Effect.fn.Return<Held | undefined, BucketError> {
      const entry = yield* bucket.get(key);
      const found = entry.revision === revision ? lying.in(entry) : undefined;
      return found === undefined ? undefined : { ...found, key, revision };
    }),
    put,
    take,
    extend,
    /** It was handled. False: it is held no longer. */
    acknowledge: drop,
    /** Free again after `delayMillis`, as if it had not been taken. */
    giveBack: (held: Held, delayMillis: number) =>
      change(held, (now) => ({
        attempts: held.attempts - 1,
        takenUntil: delayMillis > 0 ? now + delayMillis : 0,
      })),
    /** The attempt failed: it rests, or is dead after the last one. */
    failed: (held: Held, reason: string): Effect.Effect<unknown, BucketError> =>
      held.attempts >= (held.maxAttempts ?? Infinity)
        ? bury(held, reason)
        : change(held, (now) => ({ takenUntil: now + restMillis(held.attempts) })),
    /** By time of sending: those that were taken lie behind the others. */
    waiting: (name: string) =>
      Effect.map(bucket.entries(inboxKeys(tenant, name)), (entries) =>
        entries
          .flatMap((entry) => lying.in(entry) ?? [])
          .toSorted(({ message: one }, { message: other }) => one.sentAt - other.sentAt),
      ),
    dead: (name: string) =>
      Effect.map(bucket.entries(deadKeys(tenant, name)), (entries): ReadonlyArray<DeadLetter> =>
        entries.flatMap((entry) => deadLetter.in(entry) ?? []),
      ),
    /** Puts dead letters in again, as if they were sent now. Returns how many. */
    retry: Effect.fnUntraced(function* (name: string, id?: string) {
      let retried = 0;
      for (const entry of yield* bucket.entries(deadKeys(tenant, name, id))) {
        const letter = deadLetter.in(entry);
        if (letter === undefined) continue;
        const { message } = letter;
        const sentAt = yield* bucket.now;
        yield* put({ ...message, sentAt, expiresAt: sentAt + message.expiresAt - message.sentAt });
        yield* bucket.clear(entry.key, entry.revision);
        retried++;
      }
      return retried;
    }),
    clear: (name: string) => bucket.clear(inboxKeys(tenant, name)),
    clearDead: (name: string) => bucket.clear(deadKeys(tenant, name)),
  };
};
