/**
 * Following the stream: everything after a sequence, then live, through restarts of the server.
 *
 * Room: log.
 *
 * A pull consumer of our own, in memory on the server and without acknowledgements; what has been read is known here
 * alone, so a consumer that is lost is replaced from there. The reader's pace is the pace of the whole: two pages are
 * asked for, and the next one when the reader has taken all of one.
 *
 * Decision: asked for, because what the server pushes with flow control is up to 32 MB ahead of its reader: 49,000 small
 * events lay in memory while they were folded, 100 MB, which were most of what garbage collection had to copy.
 *
 * Why not the client's ordered consumer: it goes on over holes, over a stream that was rolled back or made anew, and
 * is recreated up to a minute after a reconnect.
 */
import { createInbox, type Msg, nanos, nuid, type Subscription } from "@nats-io/transport-node";
import { Array as Arr, Effect, Stream } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { provenEntryOf } from "../Envelope.ts";
import { LogDamaged, type LogUnavailable } from "../EventLog.ts";
import { type Delivery, deliveryOf, storedOfDelivery } from "./MessageNats.ts";
import type { NatsConnection } from "../connection/NatsConnectionNats.ts";
import type { HistoryRead } from "./HistoryReadNats.ts";
import { because, retryPauseMillis } from "../connection/PatienceNats.ts";
import { type ApiError, apiCode, ask } from "../connection/RequestNats.ts";
import { learn, type StreamFacts } from "../connection/StreamNats.ts";

/** Events handed on at once: enough to make the cost per event small, few enough to keep latency and memory small. */
const maxChunk = 1_000;
/** Of a page: many small events, or few large ones. No event of the server's own limit is larger. */
const pageEvents = 1_000;
const pageBytes = 4 * 1024 * 1024;
const pagesAhead = 2;
/** A page that is not full waits so long on the server and is then asked for again. */
const pageMillis = 30_000;
/** An idle stream says so this often; two silences in a row mean that the consumer is gone. Found within 6 s. */
const heartbeatMillis = 2_000;
/** A consumer whose reader died without a word is removed after this. */
const inactiveMillis = 30_000;
/** How often a bad sign is looked at again, half a second apart, before it is believed: a new leader may be behind. */
const doubts = 4;
const doubtMillis = 500;

export interface Followed {
  readonly connection: NatsConnection["Service"];
  readonly read: HistoryRead;
  readonly stream: string;
  readonly after: Sequence;
  /** Only this subject; then holes cannot be seen. */
  readonly subject: string | undefined;
}

/** In order of arrival: events, and between them the moments at which the next page can be asked for. */
type Arrived = { readonly message: Msg; readonly delivery: Delivery } | "ask";

const isTooLarge = (description: string): boolean => /Message Size Exceeds MaxBytes/i.test(description);
/** Statuses with which the server ends a page, and not the consumer. */
const endsPage = (code: number, description: string): boolean =>
  code === 408 || (code === 409 && (isTooLarge(description) || /Batch Completed/i.test(description)));

/** One consumer and what came from it. Plain and mutable: its callback runs for every event. */
class Reader {
  private arrived: Array<Arrived> = [];
  private taken = 0;
  private subscription: Subscription | undefined;
  private wake: (() => void) | undefined;
  private deliveries = 0;
  private deliverTo = "";
  private lastHeardAt = 0;
  private stopListening: (() => void) | undefined;
  private consumer = "";
  /** Events that are asked for and have not come, and pages that will be when the reader has got so far. */
  private due = 0;
  private asks = 0;
  private pageBytes = pageBytes;
  private readonly followed: Followed;
  /** The last sequence that has arrived, and its identity. */
  cursor: Sequence;
  nanos = "";
  /** Why this consumer gives no more; undefined while it does. */
  broken: "new" | "lost" | "disordered" | "hole" | undefined = "new";

  constructor(followed: Followed) {
    this.followed = followed;
    this.cursor = followed.after;
  }

  private break(why: "lost" | "disordered" | "hole") {
    this.broken ??= why;
    this.wake?.();
  }

  private receive(deliverTo: string, message: Msg) {
    if (this.broken !== undefined) return;
    this.lastHeardAt = performance.now();
    if (message.subject === deliverTo) return this.receiveStatus(message);
    const delivery = deliveryOf(message.reply ?? "");
    if (delivery === undefined || delivery.delivery !== this.deliveries + 1) return this.break("disordered");
    if (this.followed.subject === undefined && delivery.sequence !== this.cursor + 1) return this.break("hole");
    this.deliveries++;
    this.cursor = delivery.sequence;
    this.nanos = delivery.nanos;
    this.arrived.push({ message, delivery });
    this.due--;
    this.askInTime();
    this.wake?.();
  }

  private receiveStatus(message: Msg) {
    const { code = 0, description = "" } = message.headers ?? {};
    if (!endsPage(code, description)) return code >= 400 ? this.break("lost") : undefined;
    const left = Number(message.headers?.get("Nats-Pending-Messages") ?? 0);
    // Nothing of a page came although something is there: a single event is larger.
    if (isTooLarge(description) && left >= pageEvents) this.pageBytes *= 2;
    this.due -= left;
    this.askInTime();
  }

  /** One page is always on its way; the next one is asked for when the reader has taken what came before. */
  private askInTime() {
    while (this.due + this.asks * pageEvents <= (pagesAhead - 1) * pageEvents) {
      this.asks++;
      if (this.isEmpty()) this.ask();
      else this.arrived.push("ask");
    }
  }

  private ask() {
    const { connection, stream } = this.followed;
    this.asks--;
    this.due += pageEvents;
    if (!connection.link.connected || this.consumer === "") return;
    const page = {
      batch: pageEvents,
      max_bytes: this.pageBytes,
      expires: nanos(pageMillis),
      idle_heartbeat: nanos(heartbeatMillis),
    };
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${this.consumer}`;
    connection.nc.publish(subject, JSON.stringify(page), { reply: this.deliverTo });
  }

  /** The consumer is there: from now on it gives what it is asked for. */
  start() {
    this.due = 0;
    this.asks = 0;
    this.arrived = this.arrived.slice(this.taken).filter((arrived) => arrived !== "ask");
    this.taken = 0;
    for (let page = 0; page < pagesAhead; page++) {
      this.asks++;
      this.ask();
    }
  }

  private isEmpty() {
    return this.taken >= this.arrived.length;
  }

  /** Subscribes and gives the configuration of the consumer that will be asked from there. */
  begin() {
    const { connection, stream, subject } = this.followed;
    const deliverTo = createInbox(connection.inboxPrefix);
    this.deliverTo = deliverTo;
    this.deliveries = 0;
    this.broken = undefined;
    this.lastHeardAt = performance.now();
    this.pageBytes = Math.max(pageBytes, connection.serverInfo().max_payload + 64 * 1024);
    this.consumer = `follow_${nuid.next()}`;
    this.subscription = connection.nc.subscribe(deliverTo, {
      callback: (error, message) => (error === null ? this.receive(deliverTo, message) : this.break("lost")),
    });
    this.stopListening = connection.link.onLost(() => this.break("lost"));
    return {
      subject: `CONSUMER.CREATE.${stream}.${this.consumer}${subject === undefined ? "" : `.${subject}`}`,
      body: {
        stream_name: stream,
        action: "create",
        config: {
          name: this.consumer,
          description: "Recollect follows the stream.",
          deliver_policy: "by_start_sequence",
          opt_start_seq: this.cursor + 1,
          ack_policy: "none",
          replay_policy: "instant",
          mem_storage: true,
          num_replicas: 1,
          inactive_threshold: nanos(inactiveMillis),
          ...(subject === undefined ? {} : { filter_subject: subject }),
        },
      },
    };
  }

  /** Stops listening; gives the name of the consumer to remove. What has arrived stays to be taken. */
  end(): string {
    this.subscription?.unsubscribe();
    this.stopListening?.();
    this.subscription = undefined;
    this.stopListening = undefined;
    const { consumer } = this;
    this.consumer = "";
    return consumer;
  }

  /** What has arrived, at most a chunk of it. */
  take(): ReadonlyArray<LogEntry> {
    const entries: Array<LogEntry> = [];
    while (!this.isEmpty() && entries.length < maxChunk) {
      const next = this.arrived[this.taken++];
      if (next === undefined) break;
      if (next === "ask") this.ask();
      else entries.push(provenEntryOf(storedOfDelivery(next.message, next.delivery)));
    }
    if (this.isEmpty()) {
      this.arrived = [];
      this.taken = 0;
    } else if (this.taken > 10 * maxChunk) {
      this.arrived = this.arrived.slice(this.taken);
      this.taken = 0;
    }
    return entries;
  }

  /** Returns when something has arrived or the consumer is broken. */
  readonly more: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (!this.isEmpty() || this.broken !== undefined) return resume(Effect.void);
    const waitingSince = performance.now();
    const finish = () => {
      clearInterval(timer);
      this.wake = undefined;
      resume(Effect.void);
    };
    const timer = setInterval(() => {
      if (performance.now() - Math.max(this.lastHeardAt, waitingSince) > 2.5 * heartbeatMillis) this.break("lost");
    }, heartbeatMillis);
    this.wake = finish;
    return Effect.sync(() => {
      clearInterval(timer);
      this.wake = undefined;
    });
  });
}

const damaged = (sequence: Sequence, reason: string) => new LogDamaged({ sequence, reason });

/** The stream as it is now, however long that takes. A stream that is not there is believed to be gone after a while. */
const learnForSure = Effect.fnUntraced(function* (followed: Followed, cursor: Sequence) {
  let missing = 0;
  for (let attempt = 0; ; attempt++) {
    const found = yield* learn(followed.connection, { stream: followed.stream, patienceMillis: 0 }).pipe(Effect.result);
    if (found._tag === "Success") {
      if (found.success !== undefined) return found.success;
      if (++missing > doubts) return yield* damaged(cursor, `the stream ${followed.stream} is gone`);
      yield* Effect.sleep(doubtMillis);
    } else {
      const { refused } = followed.connection.link;
      // A server that is refused may be so for days: whoever follows says so, and begins again.
      if (refused !== undefined) return yield* because(refused);
      yield* followed.connection.changes.pipe(
        Stream.filter(({ _tag }) => _tag !== "Away"),
        Stream.take(1),
        Stream.runDrain,
      );
      yield* Effect.sleep(retryPauseMillis(attempt));
    }
  }
});

const isoOf = (millis: number) => new Date(millis).toISOString();

/** Makes sure that the stream is the one that was followed, up to the cursor. */
const verify = Effect.fnUntraced(function* (followed: Followed, reader: Reader, known: StreamFacts | undefined) {
  const { cursor } = reader;
  for (let doubt = 0; ; doubt++) {
    const facts = yield* learnForSure(followed, cursor);
    if (known !== undefined && facts.created !== known.created) {
      return yield* damaged(
        cursor,
        `the stream was made anew or restored: it was of ${isoOf(known.created)} and is now of ${isoOf(facts.created)}`,
      );
    }
    if (facts.lastSequence >= cursor) {
      yield* verifyIdentity(followed, reader, facts);
      return facts;
    }
    if (doubt >= doubts) {
      return yield* damaged(
        cursor,
        `the stream was rolled back: it ends at ${facts.lastSequence}, and ${cursor} has been read`,
      );
    }
    yield* Effect.sleep(doubtMillis);
  }
});

/** After a rollback sequences are given again: what lies at the cursor must be what came from there. */
const verifyIdentity = Effect.fnUntraced(function* (followed: Followed, reader: Reader, facts: StreamFacts) {
  const { cursor, nanos: seen } = reader;
  if (seen === "" || cursor < facts.firstSequence) return;
  const stored = yield* followed.read.at(cursor).pipe(Effect.retry({ times: doubts }));
  if (stored !== undefined && stored.recordedAt === Number(seen.slice(0, -6))) return;
  return yield* damaged(
    cursor,
    stored === undefined
      ? `the event that was read at ${cursor} is not there any more`
      : `the stream was rolled back and sequence ${cursor} given again: it was of ${isoOf(Number(seen.slice(0, -6)))} and is now of ${isoOf(stored.recordedAt)}`,
  );
});

/** Connects the reader to a new consumer that begins after the cursor. */
const attach = Effect.fnUntraced(function* (followed: Followed, reader: Reader, known: StreamFacts | undefined) {
  for (let attempt = 0; ; attempt++) {
    yield* detach(followed, reader);
    const facts = yield* verify(followed, reader, known).pipe(
      Effect.catchIf(
        (error): error is LogUnavailable => error._tag === "LogUnavailable" && error.condition === undefined,
        () => Effect.succeed(undefined),
      ),
    );
    if (facts === undefined) {
      yield* Effect.sleep(retryPauseMillis(attempt));
      continue;
    }
    // What limits removed before we came is not a hole: the stream begins where it begins.
    if (reader.cursor + 1 < facts.firstSequence && followed.subject === undefined)
      reader.cursor = facts.firstSequence - 1;
    const { body, subject } = reader.begin();
    const { link, nc } = followed.connection;
    const answer = yield* Effect.promise(() =>
      ask(nc, link, { subject: `$JS.API.${subject}`, payload: JSON.stringify(body), timeoutMillis: 5_000 }),
    );
    if (answer._tag === "Answer") {
      const said: { readonly error?: ApiError } = answer.message.json();
      if (said.error === undefined) {
        reader.start();
        return facts;
      }
      if (said.error.err_code !== apiCode.streamNotFound)
        yield* Effect.logWarning(`following the log: ${said.error.description}`);
    }
    reader.broken = "lost";
    yield* Effect.sleep(retryPauseMillis(attempt));
  }
});

/** Ends the subscription and removes the consumer, without waiting for it to be gone. */
const detach = (followed: Followed, reader: Reader) =>
  Effect.sync(() => {
    const consumer = reader.end();
    const { link, nc } = followed.connection;
    if (consumer !== "" && link.connected && !nc.isClosed())
      nc.publish(`$JS.API.CONSUMER.DELETE.${followed.stream}.${consumer}`);
  });

/** A sequence did not follow the one before it: is the stream's beginning above it, is it really missing, or was it only the consumer? */
const judgeHole = Effect.fnUntraced(function* (followed: Followed, cursor: Sequence) {
  const missing = cursor + 1;
  const facts = yield* learnForSure(followed, cursor);
  if (facts.firstSequence > missing) return;
  const stored = yield* followed.read.at(missing).pipe(Effect.result);
  if (stored._tag === "Success" && stored.success === undefined) {
    return yield* damaged(missing, `sequence ${missing} is missing, and the stream goes on after it`);
  }
});

export const follow = (followed: Followed): Stream.Stream<LogEntry, LogUnavailable | LogDamaged> =>
  Stream.fromPull(
    Effect.gen(function* () {
      const reader = new Reader(followed);
      let known: StreamFacts | undefined;
      yield* Effect.addFinalizer(() => detach(followed, reader));
      return Effect.gen(function* () {
        for (;;) {
          const entries = reader.take();
          if (Arr.isReadonlyArrayNonEmpty(entries)) return entries;
          if (reader.broken === "hole") yield* judgeHole(followed, reader.cursor);
          if (reader.broken === undefined) yield* reader.more;
          else {
            const facts = yield* attach(followed, reader, known);
            known ??= facts;
          }
        }
      });
    }),
  ).pipe(Stream.scoped);
