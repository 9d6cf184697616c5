/**
 * The stream: what it must be, that it is so, and what the log has to know of it.
 *
 * Room: log.
 */
import { elapsed } from "./Elapsed.ts";
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { DiscardPolicy, RetentionPolicy, StorageType, StoreCompression } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { Clock, Effect } from "effect";
import type { LogUnavailable } from "../EventLog.ts";
import type { NatsConnection } from "./NatsConnectionNats.ts";
import * as Unusable from "./NatsUnusable.ts";
import { awaitLink, retryPauseMillis, unanswered, unavailable } from "./PatienceNats.ts";
import { type ApiError, apiCode, ask } from "./RequestNats.ts";
import { streamSubjects } from "../Subject.ts";

export const defaultStream = "RECOLLECT";

export interface Settings {
  readonly name: string;
  readonly replicas: 1 | 3;
  /** How long the server remembers message ids, milliseconds. */
  readonly duplicateWindowMillis: number;
}

/**
 * The server's limit for it (`limits.duplicate_window` in our conf). Within it an append of an unknown history costs
 * one round trip; beyond it the log looks for itself. It costs the server about 100 bytes for each event.
 */
export const defaultDuplicateWindowMillis = 10 * 60_000;

/**
 * Readers that may follow at once. nats-server 2.15 gives every stream 1,000 unless it is told; each costs a few
 * kilobytes, and one that was not ended goes by itself after a while.
 */
const maxConsumers = 5_000;

/**
 * Everything about the stream that we decide.
 *
 * - nothing is ever removed: retention by limits without a limit, deletes and purges denied, full means refused
 * - `allow_atomic` for appends of several events, `allow_direct` for reads without a consumer
 * - message TTL, schedules, delete markers and rollups stay off: each makes removal possible (schedules and markers
 *   even turn `deny_purge` off silently)
 *
 * Decision: not compressed, because a compressed block is lost as a whole and a compressed stream was lost as a whole:
 * nats-server 2.15.1 with three replicas, s2 and `sync_interval: always` lost 28,616 acknowledged messages after rolling
 * restarts and kill -9 of all nodes, without any damage from outside (uncompressed: 66,441 of 66,441 were there). One
 * flipped bit costs 1,416 messages of 6 KB where it costs one uncompressed, and no consumer gets past them. The price is
 * disk: 1.6 bytes in the stream for each byte imported in place of 0.5.
 */
export const configOf = ({ duplicateWindowMillis, name, replicas }: Settings) =>
  ({
    name,
    subjects: [...streamSubjects],
    description: "Recollect: every event, one subject per history.",
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_age: 0,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    max_consumers: maxConsumers,
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
    allow_direct: true,
    allow_atomic: true,
    duplicate_window: nanos(duplicateWindowMillis),
    compression: StoreCompression.None,
  }) satisfies Partial<StreamConfig>;

/** What an update may bring in line. An operator's own limits (`max_bytes`, `max_age`) are not ours to change. */
const repairable = [
  "subjects",
  "discard",
  "max_consumers",
  "deny_delete",
  "deny_purge",
  "allow_direct",
  "allow_atomic",
  "duplicate_window",
] as const;

/** What can never be changed, or would remove events: such a stream is not ours. */
const fatalDifference = (found: StreamConfig): string | undefined => {
  if (found.mirror !== undefined) return "it is a mirror of another stream";
  if ((found.sources ?? []).length > 0) return "it is fed from other streams";
  if (found.storage !== StorageType.File) return "it is kept in memory";
  if (found.retention !== RetentionPolicy.Limits)
    return `its retention is ${found.retention}: reading would remove events`;
  if (found.persist_mode === "async") return "its persist_mode is async: it acknowledges what is not on disk";
  if (found.subject_transform !== undefined) return "it renames subjects";
  if (found.allow_msg_schedules === true) return "it allows message schedules, which make removal possible";
  if ((found.subject_delete_marker_ttl ?? 0) !== 0) return "it writes delete markers, which make removal possible";
  if (found.sealed) return "it is sealed";
  return undefined;
};

/** What the log must know to keep its promises. Times in epoch milliseconds. */
export interface StreamFacts {
  readonly name: string;
  readonly created: number;
  readonly replicas: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** When the oldest message came; 0 for an empty stream. */
  readonly firstAt: number;
  readonly duplicateWindowMillis: number;
  /** The server's clock minus ours, as good as half the round trip. */
  readonly clockSkewMillis: number;
  /** When this was learnt, by our clock. */
  readonly learntAt: number;
}

const factsOf = (info: StreamInfo & { readonly ts?: string }, asked: number, learntAt: number): StreamFacts => ({
  name: info.config.name,
  created: Date.parse(info.created),
  replicas: info.config.num_replicas,
  firstSequence: info.state.first_seq,
  lastSequence: info.state.last_seq,
  messages: info.state.messages,
  bytes: info.state.bytes,
  firstAt: info.state.messages === 0 ? 0 : Date.parse(info.state.first_ts),
  duplicateWindowMillis: Math.round(info.config.duplicate_window / 1e6),
  clockSkewMillis: info.ts === undefined ? 0 : Date.parse(info.ts) - (asked + learntAt) / 2,
  learntAt,
});

/** The server's answer, or its error. Requests that change nothing are repeated while no leader is there. */
const api = Effect.fnUntraced(function* <A>(
  connection: NatsConnection["Service"],
  options: { readonly subject: string; readonly body?: unknown; readonly patienceMillis: number },
) {
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
  const started = yield* elapsed;
  for (let attempt = 0; ; attempt++) {
    const answer = yield* Effect.promise(() =>
      ask(connection.nc, connection.link, {
        subject: connection.link.route(`$JS.API.${options.subject}`),
        payload,
        timeoutMillis: 5_000,
      }),
    );
    if (answer._tag === "Answer") {
      const said: A & { readonly error?: ApiError } = answer.message.json();
      if (said.error?.code !== 503) return said;
    } else if (answer.why === "failed") return yield* unanswered(answer);
    if ((yield* elapsed) - started >= options.patienceMillis) {
      return yield* unavailable(answer._tag === "NoAnswer" ? answer.reason : "JetStream has no leader");
    }
    // One that has been away for a while is not waited for: whoever asks decides when to ask again.
    if (answer._tag === "NoAnswer" && answer.why === "lost") yield* awaitLink(connection.link);
    else yield* Effect.sleep(retryPauseMillis(attempt));
  }
});

/** What the stream is now; undefined when there is none. `patienceMillis` 0 asks once. */
export const learn = Effect.fnUntraced(function* (
  connection: NatsConnection["Service"],
  options: { readonly stream: string; readonly patienceMillis: number },
): Effect.fn.Return<StreamFacts | undefined, LogUnavailable> {
  const asked = yield* Clock.currentTimeMillis;
  const said = yield* api<StreamInfo>(connection, {
    subject: `STREAM.INFO.${options.stream}`,
    patienceMillis: options.patienceMillis,
  });
  if (said.error?.err_code === apiCode.streamNotFound) return undefined;
  if (said.error !== undefined) return yield* unavailable(said.error.description);
  return factsOf(said, asked, yield* Clock.currentTimeMillis);
});

/** 10005: no suitable peers for placement; 10074: more than one copy without a cluster. */
const isTooFewServers = ({ err_code }: ApiError): boolean => err_code === 10_005 || err_code === 10_074;

const refusedBy = (name: string, error: ApiError) =>
  isTooFewServers(error)
    ? Unusable.unusableStream(
        `The stream ${name} is to be kept in three copies, and the cluster has not three servers for them: ${error.description} (${error.err_code}).`,
        "Start the missing servers. To do with one copy, make the stream yourself first: its copies stay as they are.",
      )
    : refusedOtherwise(name, error);

const refusedOtherwise = (name: string, error: ApiError) =>
  Unusable.unusableStream(
    `The server does not let the stream ${name} be what it must be: ${error.description} (${error.err_code}).`,
    "The user needs $JS.API.STREAM.CREATE and UPDATE once, and the account needs room for it.",
  );

/** Makes the stream, or brings the one that is there in line. */
export const ensure = Effect.fn("log.ensureStream")(function* (
  connection: NatsConnection["Service"],
  settings: Settings,
) {
  const wanted = configOf(settings);
  const patienceMillis = 15_000;
  const found = yield* api<StreamInfo>(connection, { subject: `STREAM.INFO.${settings.name}`, patienceMillis });
  if (found.error?.err_code === apiCode.streamNotFound) {
    const made = yield* api<StreamInfo>(connection, {
      subject: `STREAM.CREATE.${settings.name}`,
      body: wanted,
      patienceMillis,
    });
    // 10058: another process made it at the same moment, differently.
    if (made.error !== undefined && made.error.err_code !== 10058) return yield* refusedBy(settings.name, made.error);
  } else if (found.error !== undefined) {
    return yield* refusedBy(settings.name, found.error);
  } else {
    const fatal = fatalDifference(found.config);
    if (fatal !== undefined) {
      return yield* Unusable.unusableStream(
        `The stream ${settings.name} cannot hold events: ${fatal}.`,
        "Rename or remove that stream, or give another name with the option `stream`.",
      );
    }
    const repairs = Object.fromEntries(
      repairable
        .filter((field) => JSON.stringify(found.config[field]) !== JSON.stringify(wanted[field]))
        .map((field) => [field, wanted[field]]),
    );
    if (Object.keys(repairs).length > 0) {
      yield* Effect.logInfo(`bringing the stream ${settings.name} in line: ${Object.keys(repairs).join(", ")}`);
      const updated = yield* api<StreamInfo>(connection, {
        subject: `STREAM.UPDATE.${settings.name}`,
        body: { ...found.config, ...repairs },
        patienceMillis,
      });
      if (updated.error !== undefined) return yield* refusedBy(settings.name, updated.error);
    }
  }
  const facts = yield* learn(connection, { stream: settings.name, patienceMillis });
  return facts ?? (yield* unavailable(`the stream ${settings.name} vanished while it was made`));
});
