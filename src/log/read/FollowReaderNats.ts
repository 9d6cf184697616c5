/**
 * One consumer of the stream, and what came from it.
 *
 * Room: log.
 *
 * Plain and mutable: its callback runs for every event. The place it has read to is known here alone, so a consumer that is
 * lost is replaced from there.
 */
import { createInbox, type Msg, nanos, nuid, type Subscription } from "@nats-io/transport-node";
import { Effect } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { provenEntryOf } from "../Envelope.ts";
import type { NatsConnection } from "../connection/NatsConnectionNats.ts";
import type { HistoryRead } from "./HistoryReadNats.ts";
import { type Delivery, deliveryOf, storedOfDelivery } from "./MessageNats.ts";

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
/** Nothing has come for so long: is there something that the server does not deliver? */
const quietMillis = 2_500;

export interface Followed {
  readonly connection: NatsConnection["Service"];
  readonly read: HistoryRead;
  readonly stream: string;
  readonly after: Sequence;
  /** Only this subject; then holes cannot be seen. */
  readonly subject: string | undefined;
  /** Patience for an unreachable log, milliseconds; undefined: for ever. */
  readonly patienceMillis?: number | undefined;
}

/** In order of arrival: events, and between them the moments at which the next page can be asked for. */
type Arrived = { readonly message: Msg; readonly delivery: Delivery } | "ask";

const isTooLarge = (description: string): boolean => /Message Size Exceeds MaxBytes/i.test(description);
/** Statuses with which the server ends a page, and not the consumer. */
const endsPage = (code: number, description: string): boolean =>
  code === 408 || (code === 409 && (isTooLarge(description) || /Batch Completed/i.test(description)));

/** One consumer and what came from it. Plain and mutable: its callback runs for every event. */
export class Reader {
  private arrived: Array<Arrived> = [];
  private taken = 0;
  private subscription: Subscription | undefined;
  private wake: (() => void) | undefined;
  private wakes = false;
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
  /** Silence after which the reader looks for a cause, milliseconds. */
  quiet = quietMillis;
  /** Consumers in a row that did not deliver what is there. */
  stalls = 0;
  /** Reason for this consumer's end; undefined while it delivers. */
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
    this.quiet = quietMillis;
    this.stalls = 0;
    this.cursor = delivery.sequence;
    this.nanos = delivery.nanos;
    this.arrived.push({ message, delivery });
    this.due--;
    this.askInTime();
    this.wakeSoon();
  }

  /**
   * Wakes the reader when all that the socket had has been read. Decision: not at each event, because the server sends those of a group one
   * after the other, and each was then decoded, folded and written by itself.
   */
  private wakeSoon() {
    if (this.wake === undefined || this.wakes) return;
    this.wakes = true;
    setImmediate(() => {
      this.wakes = false;
      this.wake?.();
    });
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

  /** Stops listening; gives the name of the consumer to remove. Events that have arrived stay to be taken. */
  end(): string {
    this.subscription?.unsubscribe();
    this.stopListening?.();
    this.subscription = undefined;
    this.stopListening = undefined;
    const { consumer } = this;
    this.consumer = "";
    return consumer;
  }

  /** Takes what has arrived, at most a chunk of it. */
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

  /** The consumer does not deliver: another one takes its place. */
  replace() {
    this.stalls++;
    this.break("lost");
  }

  /** Returns when something has arrived or the consumer is broken: false; and true when nothing has come for long. */
  readonly more: Effect.Effect<boolean> = Effect.callback<boolean>((resume) => {
    if (!this.isEmpty() || this.broken !== undefined) return resume(Effect.succeed(false));
    const waitingSince = performance.now();
    const end = (isQuiet: boolean) => {
      clearInterval(timer);
      clearTimeout(quiet);
      this.wake = undefined;
      resume(Effect.succeed(isQuiet));
    };
    const finish = () => end(false);
    const quiet = setTimeout(() => end(true), this.quiet);
    const timer = setInterval(() => {
      if (performance.now() - Math.max(this.lastHeardAt, waitingSince) > 2.5 * heartbeatMillis) this.break("lost");
    }, heartbeatMillis);
    // The socket holds the process, or who follows does (HoldsProcessNats).
    quiet.unref();
    timer.unref();
    this.wake = finish;
    return Effect.sync(() => {
      clearInterval(timer);
      clearTimeout(quiet);
      this.wake = undefined;
    });
  });
}
