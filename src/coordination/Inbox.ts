/**
 * Messages between agents: an inbox per name, and a request that waits for its reply.
 *
 * Room: coordination. In: publish, Bucket. Out: RecollectInbox.
 *
 * Promises, each a test in `test/contract/InboxContract.ts`, kept over every bucket:
 * - what was sent is in the inbox of its name until it was handled or its time is over, whether anybody listens or not;
 * - at least once: what a receiver took and did not finish is taken by the next, after a lease; never by two at a time
 *   as long as the first one lives;
 * - the messages of one sender to one name are handled in the order of sending while nobody fails;
 * - what was sent, a reply too, is an event of the sender's session (`session.message_sent`) before it is in any inbox.
 *
 * Decision: the history is that of the sender's session, because a message between agents belongs to no conversation
 * with a person; `correlationId` holds a request and its replies together across sessions.
 * Decision: a bucket with an end per message, and not a stream with a consumer per agent, because a name costs the server
 * nothing as long as nobody writes to it, and what waits can be listed.
 */
import { Cause, Context, Effect, Layer, Option, Schedule, Schema, Stream } from "effect";
import * as History from "../domain/History.ts";
import { newId } from "../publish/Compose.ts";
import { type PublishError, Publisher } from "../publish/Publisher.ts";
import { type Bucket, Buckets, type BucketError, type Entry, keyOf, type Settings } from "./Bucket.ts";

/** This can never be sent. Nothing was written. */
export class InboxRefused extends Schema.TaggedError<InboxRefused>()("InboxRefused", {
  reason: Schema.String,
  hint: Schema.String,
}) {}

/** The inboxes cannot be reached. The event may have been written: sending again with the same id is safe. */
export class InboxUnavailable extends Schema.TaggedError<InboxUnavailable>()("InboxUnavailable", {
  messageId: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {}

/** Nobody replied in time. The request may still be handled, and its reply is an event then. */
export class NoReply extends Schema.TaggedError<NoReply>()("NoReply", {
  messageId: Schema.String,
  afterMillis: Schema.Finite,
}) {}

const Message = Schema.Struct({
  /** Also the id of its event. */
  id: Schema.String,
  from: Schema.String,
  to: Schema.String,
  body: Schema.Unknown,
  /** Absent when it answers nothing. */
  inReplyTo: Schema.NullOr(Schema.String),
  /** The id of the message with which the exchange began. */
  correlationId: Schema.String,
  /** Somebody waits for the reply. */
  isRequest: Schema.Boolean,
  /** Epoch milliseconds by the server's clock. */
  sentAt: Schema.Finite,
  expiresAt: Schema.Finite,
});
export type Message = typeof Message.Type;

/** A message as it lies in an inbox. */
const Lying = Schema.fromJsonString(
  Schema.Struct({
    message: Message,
    /** How often it was taken, and until when it is taken now; 0: by nobody. */
    attempts: Schema.Natural,
    takenUntil: Schema.Finite,
  }),
);
type Lying = typeof Lying.Type;

/** An inbox is no store of files: what is larger goes into a thread, and its id into the message. */
export const maxBodyBytes = 128 * 1024;
/** Shortest and longest life of a message. The server counts in seconds; what nobody wants for a month nobody wants. */
const ttlBounds = { least: 1_000, most: 30 * 24 * 3_600_000 };
const defaultTtlMillis = 24 * 3_600_000;
const defaultReplyMillis = 30_000;
/** How long a taken message is out of reach of others after the last sign of its receiver. */
const defaultLeaseMillis = 30_000;
/** After a failure a message rests: twice as long each time, up to a minute. */
const restMillis = (attempts: number): number => Math.min(250 * 2 ** attempts, 60_000);

const settings: Settings = {
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

export type SendError = InboxRefused | InboxUnavailable | PublishError;

export class Inbox extends Context.Service<
  Inbox,
  {
    /** Returns the message's id when it is an event and lies in the inbox. */
    readonly send: (options: Sending) => Effect.Effect<string, SendError>;
    /** Sends, and waits for the first reply; `ttlMillis` (default 30 s) is the patience. */
    readonly request: (options: Sending) => Effect.Effect<Message, SendError | NoReply>;
    /** Handles what is and comes in the inbox of that name, one after another, until it is interrupted. */
    readonly receive: <E>(options: Receiving<E>) => Effect.Effect<never, InboxRefused>;
    /** What waits for a name, oldest first. */
    readonly waiting: (name: string) => Effect.Effect<ReadonlyArray<Message>, InboxUnavailable>;
  }
>()("recollect/coordination/Inbox") {}

const decode = Schema.decodeUnknownOption(Lying);
const encode = Schema.encodeSync(Lying);
const bytesOf = (lying: Lying) => Buffer.from(encode(lying), "utf8");

const lyingIn = ({ value }: Entry): Lying | undefined =>
  value === undefined ? undefined : Option.getOrUndefined(decode(Buffer.from(value).toString("utf8")));

const unavailable = (messageId: string) => (error: BucketError) =>
  new InboxUnavailable({ messageId, reason: error.reason, hint: "Send it again with the same id." });

const isName = (name: string) => {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= History.maxIdBytes && name.isWellFormed();
};

const named = (...names: ReadonlyArray<string>) =>
  names.every(isName)
    ? Effect.void
    : Effect.fail(new InboxRefused({ reason: "This is no name.", hint: `1 to ${History.maxIdBytes} bytes of UTF-8.` }));

const checked = Effect.fnUntraced(function* ({ body, from, to, ttlMillis = defaultTtlMillis }: Sending) {
  yield* named(from, to);
  const text = yield* Effect.try({
    try: () => JSON.stringify(body ?? null),
    catch: (cause) => new InboxRefused({ reason: `The body is not JSON: ${String(cause)}`, hint: "Send JSON." }),
  });
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBodyBytes) {
    const hint = "Say it in a thread, and send the thread's id.";
    return yield* new InboxRefused({
      reason: `The body is ${bytes} bytes; at most ${maxBodyBytes} are possible.`,
      hint,
    });
  }
  if (!(ttlMillis >= ttlBounds.least && ttlMillis <= ttlBounds.most)) {
    const hint = `From ${ttlBounds.least} to ${ttlBounds.most} milliseconds.`;
    return yield* new InboxRefused({ reason: `A message cannot live for ${ttlMillis} ms.`, hint });
  }
  return { body: JSON.parse(text) as unknown, ttlMillis };
});

const inboxOf = (tenant: string, name: string, id: string) => keyOf("inbox", tenant, name, id);
const repliesTo = (tenant: string, requestId: string) => keyOf("reply", tenant, requestId);

const make = Effect.gen(function* () {
  const publisher = yield* Publisher;
  const bucket: Bucket = yield* (yield* Buckets).open(settings);
  const { tenant } = publisher;

  /** The event first: what nobody can say was sent must not arrive. */
  const post = Effect.fnUntraced(function* (
    options: Sending,
    about: { readonly isRequest: boolean; readonly answers?: Message | undefined },
  ) {
    const { body, ttlMillis } = yield* checked(options);
    const { from, session = from, to } = options;
    const { answers, isRequest } = about;
    const id = options.id ?? (yield* newId);
    const correlationId = answers?.correlationId ?? id;
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
      const expiresAt = sentAt + ttlMillis;
      const message = {
        id,
        from,
        to,
        body,
        inReplyTo: answers?.id ?? null,
        correlationId,
        isRequest,
        sentAt,
        expiresAt,
      };
      const key =
        answers?.isRequest === true ? `${repliesTo(tenant, answers.id)}.${keyOf(id)}` : inboxOf(tenant, to, id);
      const { revision, value } = yield* bucket.get(key);
      if (value !== undefined) return;
      yield* bucket.replace(key, bytesOf({ message, attempts: 0, takenUntil: 0 }), revision, { ttlMillis });
    });
    yield* put.pipe(Effect.mapError(unavailable(id)));
    return id;
  });

  const request = Effect.fn("inbox.request")(function* (options: Sending) {
    const { ttlMillis = defaultReplyMillis } = options;
    const id = options.id ?? (yield* newId);
    yield* post({ ...options, id, ttlMillis }, { isRequest: true });
    const reply = bucket.watch(`${repliesTo(tenant, id)}.*`).pipe(
      Stream.mapEffect((entry) => {
        const lying = entry === "caughtUp" ? undefined : lyingIn(entry);
        if (entry === "caughtUp" || lying === undefined) return Effect.undefined;
        return Effect.as(Effect.ignore(bucket.remove(entry.key)), lying.message);
      }),
      Stream.filter((message) => message !== undefined),
      Stream.runHead,
      Effect.orDie,
      Effect.timeoutOption(ttlMillis),
    );
    const found = Option.flatten(yield* reply);
    if (Option.isNone(found)) return yield* new NoReply({ messageId: id, afterMillis: ttlMillis });
    return found.value;
  });

  const receive = Effect.fnUntraced(function* <E>(options: Receiving<E>): Effect.fn.Return<never, InboxRefused> {
    const { handle, leaseMillis = defaultLeaseMillis, name, session = name } = options;
    yield* named(name, session);
    const filter = `${keyOf("inbox", tenant, name)}.*`;

    const take = (entry: Entry, lying: Lying, takenUntil: number) =>
      bucket.replace(entry.key, bytesOf({ ...lying, takenUntil }), entry.revision, {
        ttlMillis: Math.max(ttlBounds.least, lying.message.expiresAt - takenUntil + leaseMillis),
      });

    /** Handles one message if it can be had. */
    const one = Effect.fnUntraced(function* (entry: Entry, now: number) {
      const lying = lyingIn(entry);
      if (lying === undefined || lying.takenUntil > now || lying.message.expiresAt <= now) return;
      const mine: Lying = { ...lying, attempts: lying.attempts + 1 };
      let held = yield* take(entry, mine, now + leaseMillis);
      if (held === undefined) return;
      const { message } = lying;
      /** Fails when another has taken it, who was right to: we were silent for a lease. */
      const hold = Effect.gen(function* () {
        yield* Effect.sleep(leaseMillis / 3);
        const again = yield* take({ ...entry, revision: held ?? 0 }, mine, (yield* bucket.now) + leaseMillis);
        if (again === undefined) return yield* Effect.interrupt;
        held = again;
      }).pipe(
        Effect.catch(() => Effect.void),
        Effect.forever,
      );
      const reply = (body: unknown) =>
        Effect.asVoid(post({ from: name, to: message.from, body, session }, { isRequest: false, answers: message }));
      const exit = yield* Effect.exit(Effect.raceFirst(handle(message, reply), hold));
      if (exit._tag === "Success") {
        yield* bucket.remove(entry.key, held);
        return;
      }
      yield* Effect.logDebug(`message ${message.id} to ${name} was not handled: ${Cause.pretty(exit.cause)}`);
      yield* take({ ...entry, revision: held }, mine, (yield* bucket.now) + restMillis(mine.attempts));
    });

    const pass = Effect.gen(function* () {
      const now = yield* bucket.now;
      for (const entry of yield* bucket.entries(filter)) yield* one(entry, Math.max(now, yield* bucket.now));
    }).pipe(Effect.catch(({ reason }) => Effect.logDebug(`the inbox of ${name} cannot be read: ${reason}`)));

    // What changed, and, because nothing tells of a lease that ran out or a rest that is over, every moment.
    const moments = Stream.merge(
      Stream.map(bucket.watch(filter), () => undefined),
      Stream.fromSchedule(Schedule.spaced(Math.min(leaseMillis / 3, 1_000))),
    ).pipe(Stream.buffer({ capacity: 1, strategy: "sliding" }));
    yield* Stream.runForEach(moments, () => pass).pipe(Effect.orDie);
    return yield* Effect.never;
  });

  return Inbox.of({
    send: Effect.fn("inbox.send")((options: Sending) => post(options, { isRequest: false })),
    request,
    receive,
    waiting: (name) =>
      bucket.entries(`${keyOf("inbox", tenant, name)}.*`).pipe(
        Effect.map((entries) => entries.flatMap((entry) => lyingIn(entry)?.message ?? [])),
        Effect.mapError(unavailable("")),
      ),
  });
});

export const layer = Layer.effect(Inbox, make);
