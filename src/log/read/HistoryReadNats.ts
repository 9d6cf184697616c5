/**
 * One history in order, and its end: always at least what this process itself has appended.
 *
 * Room: log.
 */
import { Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { DirectGet, Selector } from "./DirectGetNats.ts";
import type { StoredMessage } from "../Envelope.ts";
import type { LogUnavailable } from "../EventLog.ts";
import { retryPauseMillis } from "../connection/PatienceNats.ts";
import type { StreamFacts } from "../connection/StreamNats.ts";

/** Start position of a read: after a sequence, or at a time (epoch milliseconds). */
export type From = { readonly after: Sequence } | { readonly since: number };

/** Gives the next messages; an empty page is the end. */
export type Pages = Effect.Effect<ReadonlyArray<StoredMessage>, LogUnavailable>;

export interface HistoryRead {
  /** Everything from there to what is the last message at the time of the first page. */
  readonly pages: (subject: string, from: From) => Pages;
  /** The last message of a subject. */
  readonly last: (subject: string) => Effect.Effect<StoredMessage | undefined, LogUnavailable>;
  /**
   * The last messages of at most 500 subjects, in one question. A hint and no more: a replica that is behind may have
   * answered, and large messages may be missing.
   */
  readonly ends: (subjects: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, StoredMessage>, LogUnavailable>;
  readonly at: (sequence: Sequence) => Effect.Effect<StoredMessage | undefined, LogUnavailable>;
  /** The first message at or behind a sequence that the server can read; undefined also where a damaged block ends it. */
  readonly next: (sequence: Sequence) => Effect.Effect<StoredMessage | undefined, LogUnavailable>;
  /** Number of messages that the server counts behind a sequence. */
  readonly countBehind: (after: Sequence) => Effect.Effect<number, LogUnavailable>;
  /** Notes an append of this process: reads will reach it. */
  readonly wrote: (subject: string, sequence: Sequence) => void;
}

/** Subjects whose last append is remembered, to be found again on a replica that is behind: about 2 MB. */
const maxRemembered = 10_000;
/** A replica that is behind has caught up after milliseconds; after 2.5 s in all, the leader is asked event by event. */
const behindAttempts = 12;

const selectorOf = (subject: string, from: From): Selector =>
  "after" in from
    ? { seq: from.after + 1, next_by_subj: subject }
    : { start_time: new Date(Math.max(from.since, 0)).toISOString(), next_by_subj: subject };

export const make = (options: {
  readonly get: DirectGet;
  readonly stream: string;
  readonly facts: () => StreamFacts;
}): HistoryRead => {
  const { facts, get, stream } = options;
  const written = new Map<string, Sequence>();
  const copies = () => facts().replicas;

  /** One copy: the first answer says how many there are, and so where the end was. */
  const pagesOfOne = (subject: string, from: From): Pages => {
    let next = from;
    let remaining: number | undefined;
    return Effect.suspend(() => {
      if (remaining === 0) return Effect.succeed([]);
      return Effect.map(get.batch(stream, selectorOf(subject, next), remaining), (messages) => {
        const [first] = messages;
        const last = messages.at(-1);
        if (first === undefined || last === undefined) {
          remaining = 0;
          return [];
        }
        remaining = (remaining ?? first.pending + 1) - messages.length;
        next = { after: last.sequence };
        return messages;
      });
    });
  };

  const lastByLeader = Effect.fnUntraced(function* (subject: string) {
    for (let attempt = 0; ; attempt++) {
      const found = yield* get.one(stream, { last_by_subj: subject }, "leader");
      // A leader that was just elected may not have applied what the one before it acknowledged.
      if ((found?.sequence ?? 0) >= (written.get(subject) ?? 0) || attempt >= behindAttempts) return found;
      yield* Effect.sleep(retryPauseMillis(attempt));
    }
  });

  const nextOfBehind = Effect.fnUntraced(function* (subject: string, from: From, target: Sequence) {
    for (let attempt = 0; attempt < behindAttempts; attempt++) {
      const messages = yield* get.batch(stream, selectorOf(subject, from));
      if (messages.length > 0) return messages.filter(({ sequence }) => sequence <= target);
      yield* Effect.sleep(retryPauseMillis(attempt));
    }
    const after = "after" in from ? from.after : 0;
    const one = yield* get.one(stream, { seq: after + 1, next_by_subj: subject }, "leader");
    return one === undefined || one.sequence > target ? [] : [one];
  });

  /** Several copies: the leader says where the end is, any copy may tell what is before it. */
  const pagesOfSeveral = (subject: string, from: From): Pages => {
    let next = from;
    let target: Sequence | undefined;
    return Effect.gen(function* () {
      if (target === undefined) {
        const last = yield* lastByLeader(subject);
        const before = last === undefined || ("since" in next && last.recordedAt < next.since);
        target = before ? 0 : last.sequence;
      }
      if ("after" in next ? next.after >= target : target === 0) return [];
      const messages = yield* nextOfBehind(subject, next, target);
      next = { after: messages.at(-1)?.sequence ?? target };
      return messages;
    });
  };

  return {
    pages: (subject, from) => (copies() > 1 ? pagesOfSeveral(subject, from) : pagesOfOne(subject, from)),
    last: (subject) => (copies() > 1 ? lastByLeader(subject) : get.one(stream, { last_by_subj: subject }, "any")),
    ends: (subjects) =>
      Effect.map(
        get.batch(stream, { multi_last: subjects }),
        (messages) => new Map(messages.map((message) => [message.subject, message])),
      ),
    at: (sequence) =>
      sequence < 1 ? Effect.succeed(undefined) : get.one(stream, { seq: sequence }, copies() > 1 ? "leader" : "any"),
    next: (sequence) =>
      get.one(stream, { seq: Math.max(sequence, 1), next_by_subj: ">" }, copies() > 1 ? "leader" : "any"),
    countBehind: (after) =>
      Effect.map(get.batch(stream, { seq: after + 1, next_by_subj: ">" }, 1), ([first]) =>
        first === undefined ? 0 : first.pending + 1,
      ),
    wrote: (subject, sequence) => {
      if (copies() === 1) return;
      written.delete(subject);
      written.set(subject, sequence);
      for (const oldest of written.keys()) {
        if (written.size <= maxRemembered) break;
        written.delete(oldest);
      }
    },
  };
};
