/**
 * Room in an inbox, and the turn of those who send: a bound of messages, and back-pressure in front of the bucket.
 *
 * Room: coordination.
 */
import { Effect, Schedule, Semaphore } from "effect";
import * as History from "../../domain/History.ts";
import type { BucketError } from "../bucket/Bucket.ts";
import { InboxFull } from "./InboxCalls.ts";
import type { Message } from "./InboxMessage.ts";
import * as InboxQueue from "./InboxQueue.ts";

/**
 * Questions and writes of senders that are on their way to the bucket together; others wait for their turn.
 *
 * Decision: 32, because the patience of a request counts from when it is sent: of 900 sent at once on a machine with a load
 * of 15 the last ones were `InboxUnavailable` after two seconds, beside a server that wrote one after another.
 */
const sendsAtOnce = 32;
/** Patience with a bucket that is unavailable for a moment: a connection that is dialled again. */
const blink = {
  schedule: Schedule.spaced(100).pipe(Schedule.upTo({ duration: 2_000 })),
  while: ({ _tag }: BucketError) => _tag === "BucketUnavailable",
};

/** A name as a shell takes it. */
export const quoted = (name: string): string =>
  /^[-\w.]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;

export const make = (queue: ReturnType<typeof InboxQueue.make>, tenant: string) => {
  const turn = Semaphore.makeUnsafe(sendsAtOnce);
  /** Messages of an inbox that this process has let in and not put in yet. */
  const coming = new Map<string, number>();
  const placeOf = (message: Message) => `${queue.kindOf(message)} ${message.to}`;

  /** Counted at each message. Several processes that send at the same moment may put in a little more. */
  const admit = Effect.fnUntraced(function* (message: Message) {
    const { to: name } = message;
    const kind = queue.kindOf(message);
    const messages = (yield* queue.count(kind, name)) + (coming.get(placeOf(message)) ?? 0);
    if (messages < InboxQueue.bounds[kind] || (yield* queue.lies(message))) return;
    const whose = tenant === History.defaultTenant ? quoted(name) : `${quoted(name)} --tenant ${quoted(tenant)}`;
    const size = kind === "large" ? " of more than 8 KiB" : "";
    return yield* new InboxFull({
      name,
      messages,
      message: `The inbox of ${name} is full: ${messages} messages${size} lie there, and ${InboxQueue.bounds[kind]} may.`,
      hint: `recollect inbox list ${whose} shows them, recollect inbox clear ${whose} empties it.`,
    });
  });

  return {
    /** A write of a sender, in its turn. */
    inTurn: <A>(put: Effect.Effect<A, BucketError>) => Effect.retry(turn.withPermit(put), blink),
    /** Posts a message when there is room for it beside those that this process is posting. */
    whenThereIsRoom: <A, E>(message: Message, posted: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore) => {
        const place = placeOf(message);
        const count = (more: number) =>
          Effect.sync(() => {
            const messages = (coming.get(place) ?? 0) + more;
            if (messages === 0) coming.delete(place);
            else coming.set(place, messages);
          });
        // An inbox that cannot be counted cannot be written to either, and says so then.
        const admitted = Effect.catchTags(restore(turn.withPermit(admit(message))), {
          BucketUnavailable: () => Effect.void,
          BucketRefused: () => Effect.void,
        });
        return admitted.pipe(Effect.andThen(count(1)), Effect.andThen(Effect.ensuring(restore(posted), count(-1))));
      }),
  };
};
