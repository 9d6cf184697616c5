/**
 * Messages between agents: an inbox per name, and a request that waits for its reply.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/InboxContract.ts`, kept over every bucket:
 * - what was sent is in the inbox of its name until it was handled, is dead, or its time is over, with or without a
 *   receiver;
 * - at least once: what a receiver took and did not settle is free after a lease, and what a receiver that is stopped was
 *   handling at once;
 * - a receipt settles a message only as long as no other receiver has taken it;
 * - a message that fails, or is never acknowledged, in all its attempts is a dead letter: listed, and put in again by
 *   `retry`;
 * - the messages of one sender to one name are handled in the order of sending while no attempt fails;
 * - an inbox that is full takes no more, and others go on;
 * - however many are sent at once, they wait for their turn, and none fails for it;
 * - a request takes the first reply, in its time; what is said beside or later is an event and lies in no inbox;
 * - what was sent, a reply too, is an event of the sender's session (`session.message_sent`) before it is in any inbox.
 *
 * Decision: the history is that of the sender's session, because a message between agents belongs to no conversation
 * with a person; `correlationId` holds a request and its replies together across sessions.
 */
import { Cause, Context, Effect, Exit, Layer, Option, Schedule, Stream } from "effect";
import * as History from "../../domain/History.ts";
import { newId } from "../../publish/write/NewEvent.ts";
import { Publisher } from "../../publish/Publisher.ts";
import { storable } from "../../publish/storing/StoragePolicy.ts";
import { Buckets, type BucketError, keyOf } from "../bucket/Bucket.ts";
import type { InboxRefused } from "./InboxCheck.ts";
import { checkAttempts, checked, checkLease, named, ttlBounds } from "./InboxCheck.ts";
import { type DeadLetter, lying, type Message } from "./InboxMessage.ts";
import {
  type Answering,
  type Extending,
  InboxUnavailable,
  type Leasing,
  NoReply,
  NoSuchMessage,
  type Receiving,
  type Releasing,
  type SendError,
  type Sending,
  type Settling,
  type Taken,
  type Taking,
  type Waiting,
} from "./InboxCalls.ts";
import * as InboxCapacity from "./InboxCapacity.ts";
import * as InboxQueue from "./InboxQueue.ts";

export { InboxRefused, maxBodyBytes, maxBodyDepth } from "./InboxCheck.ts";
export type { DeadLetter, Message } from "./InboxMessage.ts";
export { InboxFull, InboxUnavailable, NoReply, NoSuchMessage } from "./InboxCalls.ts";
export type {
  Answering,
  Extending,
  Receiving,
  Releasing,
  Sending,
  Settling,
  Taken,
  Taking,
  Waiting,
} from "./InboxCalls.ts";

type Refused = InboxRefused | InboxUnavailable;

export class Inbox extends Context.Service<
  Inbox,
  {
    /** Returns the message's id when it is an event and lies in the inbox. */
    readonly send: (options: Sending) => Effect.Effect<string, SendError>;
    /** Sends, and waits for the first reply; `ttlMillis` (default 30 s) is the patience. */
    readonly request: (options: Sending) => Effect.Effect<Message, SendError | NoReply>;
    /**
     * Handles what is and comes in the inbox, one after another, until it is interrupted: what is being handled then is
     * free at once, and that attempt does not count.
     */
    readonly receive: <E>(options: Receiving<E>) => Effect.Effect<never, InboxRefused>;
    /** The oldest free message, under a lease, for receivers that settle it in steps of their own. */
    readonly take: (options: Taking) => Effect.Effect<Option.Option<Taken>, Refused>;
    /** It was handled: it lies there no longer. False: this receipt holds it no longer, and nothing was removed. */
    readonly acknowledge: (settling: Settling) => Effect.Effect<boolean, Refused>;
    /** Gives it back before its lease is over. False: this receipt holds it no longer. */
    readonly release: (releasing: Releasing) => Effect.Effect<boolean, Refused>;
    /** Begins the lease anew. Returns the receipt that is good from now on. */
    readonly extend: (extending: Extending) => Effect.Effect<string, Refused | NoSuchMessage>;
    /** Replies to a message that is held, and goes on holding it. Returns the reply's id. */
    readonly reply: (options: Answering) => Effect.Effect<string, SendError | NoSuchMessage>;
    /** Messages of a name that wait or are being handled, in the order of sending. */
    readonly waiting: (name: string) => Effect.Effect<ReadonlyArray<Waiting>, Refused>;
    /** Dead letters of a name, oldest first: the last 100, for 30 days. */
    readonly dead: (name: string) => Effect.Effect<ReadonlyArray<DeadLetter>, Refused>;
    /** Puts dead letters in again, one or all, with as much time as they had. Returns how many. */
    readonly retry: (which: {
      readonly name: string;
      readonly id?: string | undefined;
    }) => Effect.Effect<number, Refused>;
    /** Empties an inbox, also of what is being handled, or its dead letters. Returns how many went; their events stay. */
    readonly clear: (which: {
      readonly name: string;
      readonly dead?: boolean | undefined;
    }) => Effect.Effect<number, Refused>;
  }
>()("recollect/coordination/Inbox") {}

/** An inbox in which nothing lies is looked into at each so many of these moments. */
const emptyTicks = 30;
const defaultReplyMillis = 30_000;
const defaultLeaseMillis = 30_000;
/** Ten attempts take three minutes: an outage of a model or a tool is mostly over by then. */
const defaultAttempts = 10;

const unavailable = (messageId: string) => (error: BucketError) =>
  new InboxUnavailable({ messageId, reason: error.reason, hint: "Send it again with the same id." });

/** One for a request: the first reply is the one. */
const replyTo = (tenant: string, requestId: string) => keyOf("reply", tenant, requestId);

const noSuch = ({ name, receipt }: Settling) =>
  new NoSuchMessage({
    name,
    receipt: receipt.slice(0, 2 * History.maxIdBytes),
    message: `No message in the inbox of ${name} is held by this receipt.`,
    hint: `It was handled, or its lease is over. recollect inbox list ${InboxCapacity.quoted(name)} lists what lies there.`,
  });

const takenOf = (held: InboxQueue.Held): Taken => ({
  ...held.message,
  receipt: InboxQueue.receiptOf(held),
  attempt: held.attempts,
});

const make = Effect.gen(function* () {
  const publisher = yield* Publisher;
  const bucket = yield* (yield* Buckets).open(InboxQueue.settings);
  const { tenant } = publisher;
  const queue = InboxQueue.make(bucket, tenant);
  const capacity = InboxCapacity.make(queue, tenant);

  /** The event first: what is in an inbox was sent. */
  const post = Effect.fnUntraced(function* (
    options: Sending,
    about: { readonly isRequest: boolean; readonly answers?: Message | undefined },
  ) {
    const { body: said, ttlMillis } = yield* checked(options);
    const { from, session = from, to } = options;
    const { answers, isRequest } = about;
    const id = options.id ?? (yield* newId);
    const request = answers?.isRequest === true ? answers : undefined;
    const about_ = {
      id,
      from,
      to,
      // The inbox has the event's words: both without secrets.
      body: storable(publisher.policy(), "session.message_sent", said),
      inReplyTo: answers?.id ?? null,
      correlationId: answers?.correlationId ?? id,
      isRequest,
    };
    const published = publisher.publish({
      id,
      session,
      actor: from,
      correlationId: about_.correlationId,
      ...(answers === undefined ? {} : { causationId: answers.id }),
      history: History.session(session, tenant),
      type: "session.message_sent",
      data: { from, to, body: about_.body, inReplyTo: answers?.id, expiresAfterMillis: ttlMillis },
    });
    const put = Effect.gen(function* () {
      const sentAt = yield* bucket.now;
      const message = { ...about_, sentAt, expiresAt: sentAt + ttlMillis };
      if (request === undefined) return yield* queue.put(message);
      const restMillis = Math.min(ttlMillis, request.expiresAt - sentAt);
      // Its sender waits no longer.
      if (restMillis <= 0) return;
      const value = lying.bytes({ message, attempts: 0, takenUntil: 0 });
      yield* bucket.replace(replyTo(tenant, request.id), value, 0, {
        ttlMillis: Math.max(ttlBounds.least, restMillis),
      });
    });
    const posted = Effect.andThen(published, Effect.mapError(capacity.inTurn(put), unavailable(id)));
    yield* request === undefined ? capacity.whenThereIsRoom({ ...about_, sentAt: 0, expiresAt: 0 }, posted) : posted;
    return id;
  });

  /**
   * Each write, and, because no write tells of a lease or a rest that is over, each second while something `lies` there. An
   * empty inbox costs no questions: of a hundred receivers each asked once a second.
   */
  const momentsOf = (filter: string, leaseMillis: number, lies: () => boolean = () => true) =>
    Stream.merge(
      bucket.touched(filter),
      Stream.fromSchedule(Schedule.spaced(Math.min(leaseMillis / 3, 1_000))).pipe(
        Stream.filter((count) => lies() || count % emptyTicks === 0),
        Stream.map(() => undefined),
      ),
    ).pipe(Stream.buffer({ capacity: 1, strategy: "sliding" }), Stream.orDie);

  /** The first thing that a look finds, at one of these moments. */
  const soon = <A>(
    filter: string,
    look: Effect.Effect<Option.Option<A>, BucketError>,
    wait: { readonly leaseMillis: number; readonly waitMillis: number },
  ) =>
    momentsOf(filter, wait.leaseMillis).pipe(
      Stream.mapEffect(() => Effect.orElseSucceed(look, Option.none<A>)),
      Stream.filter(Option.isSome),
      Stream.runHead,
      Effect.timeoutOption(wait.waitMillis),
      Effect.map((found) => Option.flatten(Option.flatten(found))),
    );

  const request = Effect.fn("inbox.request")(function* (options: Sending) {
    const { ttlMillis = defaultReplyMillis } = options;
    const id = options.id ?? (yield* newId);
    yield* post({ ...options, id, ttlMillis }, { isRequest: true });
    const key = replyTo(tenant, id);
    const first = Effect.gen(function* () {
      const found = lying.in(yield* bucket.get(key));
      if (found === undefined) return Option.none<Message>();
      // Its mark keeps a second reply out.
      yield* Effect.ignore(bucket.remove(key));
      return Option.some(found.message);
    });
    const found = yield* soon(key, first, { leaseMillis: defaultLeaseMillis, waitMillis: ttlMillis });
    return yield* Effect.mapError(
      Effect.fromOption(found),
      () => new NoReply({ messageId: id, afterMillis: ttlMillis }),
    );
  });

  const leaseOf = Effect.fnUntraced(function* (options: Leasing) {
    const { leaseMillis = defaultLeaseMillis, maxAttempts = defaultAttempts } = options;
    yield* checkLease(leaseMillis);
    yield* checkAttempts(maxAttempts);
    return { leaseMillis, maxAttempts };
  });

  const take = Effect.fn("inbox.take")(function* (options: Taking) {
    const { name, waitMillis = 0 } = options;
    yield* named(name);
    const lease = yield* leaseOf(options);
    const oldest = Effect.map(queue.take(name, lease), (taken) =>
      typeof taken === "string" ? Option.none<Taken>() : Option.some(takenOf(taken)),
    );
    const first = yield* Effect.mapError(oldest, unavailable(""));
    if (Option.isSome(first) || !(waitMillis > 0)) return first;
    return yield* soon(InboxQueue.inboxKeys(tenant, name), oldest, { ...lease, waitMillis });
  });

  const receiptIn = ({ name, receipt }: Settling) =>
    Effect.map(named(name), () => InboxQueue.receiptIn(tenant, name, receipt));

  /** Message that a receipt holds; undefined when it holds none. */
  const heldBy = Effect.fnUntraced(function* (settling: Settling) {
    const receipt = yield* receiptIn(settling);
    return receipt === undefined ? undefined : yield* Effect.mapError(queue.held(receipt), unavailable(""));
  });

  const extend = Effect.fn("inbox.extend")(function* (extending: Extending) {
    const { leaseMillis = defaultLeaseMillis } = extending;
    yield* checkLease(leaseMillis);
    const held = yield* heldBy(extending);
    const extended =
      held === undefined ? undefined : yield* Effect.mapError(queue.extend(held, leaseMillis), unavailable(""));
    return extended === undefined ? yield* noSuch(extending) : InboxQueue.receiptOf(extended);
  });

  const release = Effect.fn("inbox.release")(function* (releasing: Releasing) {
    const { delayMillis = 0, failed } = releasing;
    const held = yield* heldBy(releasing);
    if (held === undefined) return false;
    const settled =
      failed === undefined
        ? Effect.map(queue.giveBack(held, delayMillis), (given) => given !== undefined)
        : Effect.as(queue.failed(held, storable(publisher.policy(), "session.message_sent", failed)), true);
    return yield* Effect.mapError(settled, unavailable(""));
  });

  const reply = Effect.fn("inbox.reply")(function* (answering: Answering) {
    const { body, name, session = name } = answering;
    yield* named(session);
    const held = yield* heldBy(answering);
    if (held === undefined) return yield* noSuch(answering);
    const { message } = held;
    return yield* post({ from: name, to: message.from, body, session }, { isRequest: false, answers: message });
  });

  const receive = Effect.fnUntraced(function* <E>(options: Receiving<E>): Effect.fn.Return<never, InboxRefused> {
    const { handle, name, session = name } = options;
    yield* named(name, session);
    const lease = yield* leaseOf(options);
    const { leaseMillis } = lease;

    const settle = (held: InboxQueue.Held, exit: Exit.Exit<void, E>): Effect.Effect<unknown, BucketError> => {
      if (Exit.isSuccess(exit)) return queue.acknowledge(held);
      if (Cause.hasInterruptsOnly(exit.cause)) return queue.giveBack(held, 0);
      const why = storable(publisher.policy(), "session.message_sent", Cause.pretty(exit.cause));
      return Effect.andThen(
        Effect.logDebug(`message ${held.message.id} to ${name} was not handled: ${why}`),
        queue.failed(held, why),
      );
    };

    let lies = true;
    /** Handles the oldest free message. False: there is none. */
    const one = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const taken = yield* queue.take(name, lease);
        lies = taken !== "none";
        if (typeof taken === "string") return false;
        let held = taken;
        const { message } = held;
        const answer = (body: unknown) =>
          Effect.asVoid(post({ from: name, to: message.from, body, session }, { isRequest: false, answers: message }));
        /** Ends the handling when another receiver has it: this one was silent for a lease. */
        const extending = Effect.gen(function* () {
          yield* Effect.sleep(leaseMillis / 3);
          const extended = yield* queue.extend(held, leaseMillis);
          if (extended === undefined) return yield* Effect.interrupt;
          held = extended;
        }).pipe(
          Effect.catch(() => Effect.void),
          Effect.forever,
        );
        const exit = yield* Effect.exit(restore(Effect.raceFirst(handle(message, answer), extending)));
        yield* settle(held, exit);
        return true;
      }),
    );

    const all = Effect.repeat(one, { while: (isHandled) => isHandled }).pipe(
      Effect.catch(({ reason }) => {
        lies = true;
        return Effect.logDebug(`the inbox of ${name} cannot be read: ${reason}`);
      }),
    );
    const moments = momentsOf(InboxQueue.inboxKeys(tenant, name), leaseMillis, () => lies);
    yield* Stream.runForEach(moments, () => all);
    return yield* Effect.never;
  });

  const of = <A>(name: string, read: Effect.Effect<A, BucketError>) =>
    Effect.andThen(named(name), Effect.mapError(read, unavailable("")));

  return Inbox.of({
    send: Effect.fn("inbox.send")((options: Sending) => post(options, { isRequest: false })),
    request,
    receive,
    take,
    acknowledge: Effect.fn("inbox.acknowledge")(function* (settling: Settling) {
      const receipt = yield* receiptIn(settling);
      return receipt !== undefined && (yield* Effect.mapError(queue.acknowledge(receipt), unavailable("")));
    }),
    release,
    extend,
    reply,
    waiting: Effect.fn("inbox.waiting")((name: string) =>
      of(
        name,
        Effect.map(queue.waiting(name), (all) =>
          all.map(({ attempts, message, takenUntil }) => ({ ...message, attempts, takenUntil })),
        ),
      ),
    ),
    dead: Effect.fn("inbox.dead")((name: string) => of(name, queue.dead(name))),
    retry: Effect.fn("inbox.retry")(({ id, name }: { readonly name: string; readonly id?: string | undefined }) =>
      of(name, queue.retry(name, id)),
    ),
    clear: Effect.fn("inbox.clear")(
      ({ dead = false, name }: { readonly name: string; readonly dead?: boolean | undefined }) =>
        of(name, dead ? queue.clearDead(name) : queue.clear(name)),
    ),
  });
});

export const layer = Layer.effect(Inbox, make);
