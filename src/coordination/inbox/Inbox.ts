/**
 * Messages between agents: an inbox per name, and a request that waits for its reply.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/InboxContract.ts`, kept over every bucket:
 * - what was sent is in the inbox of its name until it was handled or its time is over, whether anybody listens or not;
 * - at least once: what a receiver took and did not finish is taken by the next, after a lease; never by two at a time
 *   as long as the first one lives;
 * - the messages of one sender to one name are handled in the order of sending while nobody fails;
 * - an inbox that is full takes no more, and others go on (`InboxCapacity`);
 * - a request takes the first reply, in its time; what is said beside or later is an event and lies in no inbox;
 * - what was sent, a reply too, is an event of the sender's session (`session.message_sent`) before it is in any inbox.
 *
 * Decision: the history is that of the sender's session, because a message between agents belongs to no conversation
 * with a person; `correlationId` holds a request and its replies together across sessions.
 * Decision: a bucket with an end per message, and not a stream with a consumer per agent, because a name costs the server
 * nothing as long as nobody writes to it, and what waits can be listed.
 */
import { Cause, Context, Effect, Layer, Option, Schedule, Schema, Stream } from "effect";
import * as History from "../../domain/History.ts";
import { newId } from "../../publish/write/NewEvent.ts";
import { type PublishError, Publisher } from "../../publish/Publisher.ts";
import { storable } from "../../publish/storing/StoragePolicy.ts";
import { type Bucket, Buckets, type BucketError, type Entry, keyOf, type Settings } from "../bucket/Bucket.ts";
import type { InboxRefused } from "./InboxCheck.ts";
import { checked, checkLease, named, ttlBounds } from "./InboxCheck.ts";
import { bytesOf, type Lying, lyingIn, type Message } from "./InboxMessage.ts";
import * as InboxCapacity from "./InboxCapacity.ts";

export { InboxRefused, maxBodyBytes, maxBodyDepth } from "./InboxCheck.ts";
export type { Message } from "./InboxMessage.ts";
export { InboxFull } from "./InboxCapacity.ts";

/** The inboxes cannot be reached. The event may have been written: sending again with the same id is safe. */
export class InboxUnavailable extends Schema.TaggedError<InboxUnavailable>()("InboxUnavailable", {
  messageId: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** Nobody replied in time. The request may still be handled, and its reply is an event then. */
export class NoReply extends Schema.TaggedError<NoReply>()("NoReply", {
  messageId: Schema.String,
  afterMillis: Schema.Finite,
}) {}

const defaultReplyMillis = 30_000;
/** How long a taken message is out of reach of others after the last sign of its receiver. */
const defaultLeaseMillis = 30_000;
/** After a failure a message rests: twice as long each time, up to a minute. */
const restMillis = (attempts: number): number => Math.min(250 * 2 ** attempts, 60_000);

export const settings: Settings = {
  name: "RECOLLECT_INBOX",
  description: "Recollect: messages between agents that nobody has handled yet.",
  storage: "durable",
  // 2,000 messages of the largest kind, half a million short ones.
  maxBytes: 256 * 1024 * 1024,
  // The body may be escaped, and its envelope is short.
  maxValueBytes: 512 * 1024,
  whenFull: "refuse",
};

export interface Sending {
  readonly from: string;
  readonly to: string;
  /** JSON. */
  readonly body: unknown;
  /** Default: a new UUIDv7. The same id twice is one message while it waits, and one event for ever. */
  readonly id?: string | undefined;
  /** The sender's session, whose history holds the event. Default: a session named like the sender. */
  readonly session?: string | undefined;
  /** How long it waits in the inbox: a second to 30 days, default a day. */
  readonly ttlMillis?: number | undefined;
}

export interface Receiving<E> {
  readonly name: string;
  /** The receiver's session, whose history holds its replies. Default: a session named like it. */
  readonly session?: string | undefined;
  /** Default 30 s. All receivers of a name share it. */
  readonly leaseMillis?: number | undefined;
  /** A failure leaves the message in the inbox, for another attempt. */
  readonly handle: (
    message: Message,
    reply: (body: unknown) => Effect.Effect<void, SendError>,
  ) => Effect.Effect<void, E>;
}

/** No message of this id lies there: it was handled, its time is over, or it never was. */
export class NoSuchMessage extends Schema.TaggedError<NoSuchMessage>()("NoSuchMessage", {
  name: Schema.String,
  id: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** A message in an inbox. */
export interface Which {
  readonly name: string;
  readonly id: string;
}

export interface Taking {
  readonly name: string;
  /** How long nobody else gets it; default 30 s. */
  readonly leaseMillis?: number | undefined;
  /** How long to wait for one; default 0. */
  readonly waitMillis?: number | undefined;
}

export interface Answering extends Which {
  readonly body: unknown;
  /** The session whose history holds the reply. Default: a session named like the inbox. */
  readonly session?: string | undefined;
}

export type SendError = InboxRefused | InboxCapacity.InboxFull | InboxUnavailable | PublishError;

export class Inbox extends Context.Service<
  Inbox,
  {
    /** Returns the message's id when it is an event and lies in the inbox. */
    readonly send: (options: Sending) => Effect.Effect<string, SendError>;
    /** Sends, and waits for the first reply; `ttlMillis` (default 30 s) is the patience. */
    readonly request: (options: Sending) => Effect.Effect<Message, SendError | NoReply>;
    /** Handles what is and comes in the inbox of that name, one after another, until it is interrupted. */
    readonly receive: <E>(options: Receiving<E>) => Effect.Effect<never, InboxRefused>;
    /**
     * The oldest message that nobody has taken, for who handles messages in steps of its own: a shell, another program.
     * Taken for a lease; whoever has handled it says so with `acknowledge`, or the next one takes it.
     */
    readonly take: (options: Taking) => Effect.Effect<Option.Option<Message>, InboxRefused | InboxUnavailable>;
    /** The message was handled: it lies there no longer. False when it did not. */
    readonly acknowledge: (which: Which) => Effect.Effect<boolean, InboxRefused | InboxUnavailable>;
    /** Replies to a message that lies there, and leaves it there. Returns the reply's id. */
    readonly reply: (options: Answering) => Effect.Effect<string, SendError | NoSuchMessage>;
    /** What waits for a name, oldest first. */
    readonly waiting: (name: string) => Effect.Effect<ReadonlyArray<Message>, InboxRefused | InboxUnavailable>;
    /** Empties an inbox, also of what somebody is handling. Returns how many messages lay there; their events stay. */
    readonly clear: (name: string) => Effect.Effect<number, InboxRefused | InboxUnavailable>;
  }
>()("recollect/coordination/Inbox") {}

const unavailable = (messageId: string) => (error: BucketError) =>
  new InboxUnavailable({ messageId, reason: error.reason, hint: "Send it again with the same id." });

const inboxOf = (tenant: string, name: string, id: string) => keyOf("inbox", tenant, name, id);
/** One for a request: whoever comes first has replied. */
const replyTo = (tenant: string, requestId: string) => keyOf("reply", tenant, requestId);

const make = Effect.gen(function* () {
  const publisher = yield* Publisher;
  const bucket: Bucket = yield* (yield* Buckets).open(settings);
  const { tenant } = publisher;
  const filterOf = (name: string) => `${keyOf("inbox", tenant, name)}.*`;
  const room = InboxCapacity.make({ bucket, tenant, filterOf });

  /** The event first: what nobody can say was sent must not arrive. */
  const post = Effect.fnUntraced(function* (
    options: Sending,
    about: { readonly isRequest: boolean; readonly answers?: Message | undefined },
  ) {
    const { body: said, ttlMillis } = yield* checked(options);
    // What lies in the inbox is what the event says: both without secrets.
    const body = storable(publisher.policy(), "session.message_sent", said);
    const { from, session = from, to } = options;
    const { answers, isRequest } = about;
    const id = options.id ?? (yield* newId);
    const correlationId = answers?.correlationId ?? id;
    const request = answers?.isRequest === true ? answers : undefined;
    const key = request === undefined ? inboxOf(tenant, to, id) : replyTo(tenant, request.id);
    const inReplyTo = answers?.id ?? null;
    const lyingAt = (sentAt: number, expiresAt: number): Lying => {
      const message = { id, from, to, body, inReplyTo, correlationId, isRequest, sentAt, expiresAt };
      return { message, attempts: 0, takenUntil: 0 };
    };
    if (request === undefined) {
      const { length: bytes } = bytesOf(lyingAt(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER));
      // An inbox that cannot be looked into cannot be written to either, and says so then.
      yield* room
        .admit({ name: to, key, bytes })
        .pipe(Effect.catchTags({ BucketUnavailable: () => Effect.void, BucketRefused: () => Effect.void }));
    }
    yield* publisher.publish({
      id,
      session,
      actor: from,
      correlationId,
      ...(answers === undefined ? {} : { causationId: answers.id }),
      history: History.session(session, tenant),
      type: "session.message_sent",
      data: { from, to, body, inReplyTo: answers?.id, expiresAfterMillis: ttlMillis },
    });
    const put = Effect.gen(function* () {
      const sentAt = yield* bucket.now;
      const endsAt = sentAt + ttlMillis;
      const expiresAt = Math.min(endsAt, request?.expiresAt ?? endsAt);
      // Nobody waits for it any longer.
      if (expiresAt <= sentAt) return;
      const { revision, value } = yield* bucket.get(key);
      const isAnswered = request !== undefined && revision > 0;
      if (value !== undefined || isAnswered) return;
      const lifetime = { ttlMillis: Math.max(ttlBounds.least, expiresAt - sentAt) };
      yield* bucket.replace(key, bytesOf(lyingAt(sentAt, expiresAt)), revision, lifetime);
    });
    yield* put.pipe(Effect.mapError(unavailable(id)));
    return id;
  });

  const hold = (entry: Entry, lying: Lying, leaseMillis: number) => (takenUntil: number) =>
    bucket.replace(entry.key, bytesOf({ ...lying, takenUntil }), entry.revision, {
      ttlMillis: Math.max(ttlBounds.least, lying.message.expiresAt - takenUntil + leaseMillis),
    });

  /** A message that can be had now, as it lies when it is taken once more. */
  const takeable = (entry: Entry, now: number): Lying | undefined => {
    const lying = lyingIn(entry);
    if (lying === undefined || lying.takenUntil > now || lying.message.expiresAt <= now) return undefined;
    return { ...lying, attempts: lying.attempts + 1 };
  };

  /** What changed, and, because nothing tells of a lease that ran out or a rest that is over, every moment. */
  const momentsOf = (filter: string, leaseMillis: number) =>
    Stream.merge(
      Stream.map(bucket.watch(filter), () => undefined),
      Stream.fromSchedule(Schedule.spaced(Math.min(leaseMillis / 3, 1_000))),
    ).pipe(Stream.buffer({ capacity: 1, strategy: "sliding" }));

  /** What a look finds first: at once, or with whatever changes, for so long. */
  const soon = (
    filter: string,
    look: Effect.Effect<Option.Option<Message>, BucketError>,
    wait: { readonly leaseMillis: number; readonly waitMillis: number },
  ) =>
    momentsOf(filter, wait.leaseMillis).pipe(
      Stream.mapEffect(() => Effect.orElseSucceed(look, Option.none<Message>)),
      Stream.filter(Option.isSome),
      Stream.runHead,
      Effect.orDie,
      Effect.timeoutOption(wait.waitMillis),
      Effect.map((found) => Option.flatten(Option.flatten(found))),
    );

  const request = Effect.fn("inbox.request")(function* (options: Sending) {
    const { ttlMillis = defaultReplyMillis } = options;
    const id = options.id ?? (yield* newId);
    yield* post({ ...options, id, ttlMillis }, { isRequest: true });
    const key = replyTo(tenant, id);
    const first = Effect.gen(function* () {
      const lying = lyingIn(yield* bucket.get(key));
      if (lying === undefined) return Option.none<Message>();
      yield* Effect.ignore(bucket.remove(key));
      return Option.some(lying.message);
    });
    const found = yield* soon(key, first, { leaseMillis: defaultLeaseMillis, waitMillis: ttlMillis });
    if (Option.isNone(found)) return yield* new NoReply({ messageId: id, afterMillis: ttlMillis });
    return found.value;
  });

  const take = Effect.fn("inbox.take")(function* (options: Taking) {
    const { name, waitMillis = 0 } = options;
    const { leaseMillis = defaultLeaseMillis } = options;
    yield* named(name);
    yield* checkLease(leaseMillis);
    const filter = filterOf(name);
    const oldest = Effect.gen(function* () {
      for (const entry of yield* bucket.entries(filter)) {
        const now = yield* bucket.now;
        const mine = takeable(entry, now);
        if (mine === undefined) continue;
        const held = yield* hold(entry, mine, leaseMillis)(now + leaseMillis);
        if (held !== undefined) return Option.some(mine.message);
      }
      return Option.none<Message>();
    });
    const first = yield* Effect.mapError(oldest, unavailable(""));
    if (Option.isSome(first) || !(waitMillis > 0)) return first;
    return yield* soon(filter, oldest, { leaseMillis, waitMillis });
  });

  const acknowledge = Effect.fn("inbox.acknowledge")(function* ({ id, name }: Which) {
    yield* named(name, id);
    const removed = Effect.gen(function* () {
      const { key, value } = yield* bucket.get(inboxOf(tenant, name, id));
      return value !== undefined && (yield* bucket.remove(key));
    });
    return yield* Effect.mapError(removed, unavailable(id));
  });

  const reply = Effect.fn("inbox.reply")(function* ({ body, id, name, session = name }: Answering) {
    yield* named(name, id, session);
    const lying = lyingIn(yield* Effect.mapError(bucket.get(inboxOf(tenant, name, id)), unavailable(id)));
    if (lying === undefined) {
      const hint = `recollect inbox list ${name} lists what lies there.`;
      return yield* new NoSuchMessage({
        name,
        id,
        message: `There is no message ${id} in the inbox of ${name}.`,
        hint,
      });
    }
    const { message } = lying;
    return yield* post({ from: name, to: message.from, body, session }, { isRequest: false, answers: message });
  });

  const receive = Effect.fnUntraced(function* <E>(options: Receiving<E>): Effect.fn.Return<never, InboxRefused> {
    const { handle, leaseMillis = defaultLeaseMillis, name, session = name } = options;
    yield* named(name, session);
    yield* checkLease(leaseMillis);
    const filter = filterOf(name);

    /** Handles one message if it can be had. */
    const one = Effect.fnUntraced(function* (entry: Entry, now: number) {
      const mine = takeable(entry, now);
      if (mine === undefined) return;
      let held = yield* hold(entry, mine, leaseMillis)(now + leaseMillis);
      if (held === undefined) return;
      const { message } = mine;
      /** Fails when another has taken it, who was right to: we were silent for a lease. */
      const heldOn = Effect.gen(function* () {
        yield* Effect.sleep(leaseMillis / 3);
        const since = { ...entry, revision: held ?? 0 };
        const again = yield* hold(since, mine, leaseMillis)((yield* bucket.now) + leaseMillis);
        if (again === undefined) return yield* Effect.interrupt;
        held = again;
      }).pipe(
        Effect.catch(() => Effect.void),
        Effect.forever,
      );
      const answer = (body: unknown) =>
        Effect.asVoid(post({ from: name, to: message.from, body, session }, { isRequest: false, answers: message }));
      const exit = yield* Effect.exit(Effect.raceFirst(handle(message, answer), heldOn));
      if (exit._tag === "Success") {
        yield* bucket.remove(entry.key, held);
        return;
      }
      yield* Effect.logDebug(`message ${message.id} to ${name} was not handled: ${Cause.pretty(exit.cause)}`);
      const since = { ...entry, revision: held };
      yield* hold(since, mine, leaseMillis)((yield* bucket.now) + restMillis(mine.attempts));
    });

    const pass = Effect.gen(function* () {
      const now = yield* bucket.now;
      for (const entry of yield* bucket.entries(filter)) yield* one(entry, Math.max(now, yield* bucket.now));
    }).pipe(Effect.catch(({ reason }) => Effect.logDebug(`the inbox of ${name} cannot be read: ${reason}`)));

    yield* Stream.runForEach(momentsOf(filter, leaseMillis), () => pass).pipe(Effect.orDie);
    return yield* Effect.never;
  });

  return Inbox.of({
    send: Effect.fn("inbox.send")((options: Sending) => post(options, { isRequest: false })),
    request,
    receive,
    take,
    acknowledge,
    reply,
    clear: Effect.fn("inbox.clear")(function* (name: string) {
      yield* named(name);
      return yield* Effect.mapError(room.clear(name), unavailable(""));
    }),
    waiting: Effect.fn("inbox.waiting")(function* (name: string) {
      yield* named(name);
      const entries = yield* Effect.mapError(bucket.entries(filterOf(name)), unavailable(""));
      return entries.flatMap((entry) => lyingIn(entry)?.message ?? []);
    }),
  });
});

export const layer = Layer.effect(Inbox, make);
