/**
 * The stream as a server has it: asked for, made, brought in line.
 *
 * Room: log.
 */
import { elapsed } from "./Elapsed.ts";
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { Clock, Effect } from "effect";
import type { LogUnavailable } from "../EventLog.ts";
import type { Asking } from "./LinkNats.ts";
import { awaitLink, retryPauseMillis, unanswered, unavailable } from "./PatienceNats.ts";
import { type ApiError, apiCode, ask } from "./RequestNats.ts";
import { configOf, firstKey, identityKey, type Settings } from "./StreamConfigNats.ts";

export const defaultStream = "RECOLLECT";

/**
 * The server's limit for it (`limits.duplicate_window` in our conf). Within it an append of an unknown history costs
 * one round trip; beyond it the log looks for itself. It costs the server about 100 bytes for each event.
 */
export const defaultDuplicateWindowMillis = 10 * 60_000;

/** Facts of the stream that the log's promises need. Times in epoch milliseconds. */
export interface StreamFacts {
  readonly name: string;
  readonly created: number;
  readonly replicas: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** Time of the oldest message; 0 for an empty stream. */
  readonly firstAt: number;
  readonly duplicateWindowMillis: number;
  /** The server's clock minus ours, as good as half the round trip. */
  readonly clockSkewMillis: number;
  /** Time at which this was learnt, by our clock. */
  readonly learntAt: number;
}

/** A stream that was found, with its configuration. */
export interface Found {
  readonly facts: StreamFacts;
  readonly config: StreamConfig;
  readonly identity: string | undefined;
}

type Info = StreamInfo & { readonly ts?: string };

const factsOf = (info: Info, asked: number, learntAt: number): StreamFacts => ({
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
  { link, nc }: Asking,
  options: { readonly subject: string; readonly body?: unknown; readonly patienceMillis: number },
) {
  const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
  const started = yield* elapsed;
  for (let attempt = 0; ; attempt++) {
    const answer = yield* Effect.promise(() =>
      ask(nc, link, { subject: link.route(`$JS.API.${options.subject}`), payload, timeoutMillis: 5_000 }),
    );
    if (answer._tag === "Answer") {
      const said: A & { readonly error?: ApiError } = answer.message.json();
      if (said.error?.code !== 503) return said;
    } else if (answer.why === "failed") return yield* unanswered(answer);
    if ((yield* elapsed) - started >= options.patienceMillis) {
      return yield* unavailable(answer._tag === "NoAnswer" ? answer.reason : "JetStream has no leader");
    }
    // One that has been away for a while is not waited for: whoever asks decides when to ask again.
    if (answer._tag === "NoAnswer" && answer.why === "lost") yield* awaitLink(link);
    else yield* Effect.sleep(retryPauseMillis(attempt));
  }
});

const foundOf = Effect.fnUntraced(function* (said: Info, asked: number) {
  const facts = factsOf(said, asked, yield* Clock.currentTimeMillis);
  return { facts, config: said.config, identity: said.config.metadata?.[identityKey] } satisfies Found as Found;
});

/** The stream that is there; undefined when there is none. `patienceMillis` 0 asks once. */
export const find = Effect.fnUntraced(function* (
  asking: Asking,
  options: { readonly stream: string; readonly patienceMillis: number },
): Effect.fn.Return<Found | undefined, LogUnavailable> {
  const asked = yield* Clock.currentTimeMillis;
  const said = yield* api<Info>(asking, {
    subject: `STREAM.INFO.${options.stream}`,
    patienceMillis: options.patienceMillis,
  });
  if (said.error?.err_code === apiCode.streamNotFound) return undefined;
  if (said.error !== undefined) return yield* unavailable(said.error.description);
  return yield* foundOf(said, asked);
});

/** Facts of the stream now; undefined when there is none. `patienceMillis` 0 asks once. */
export const learn = (
  asking: Asking,
  options: { readonly stream: string; readonly patienceMillis: number },
): Effect.Effect<StreamFacts | undefined, LogUnavailable> => Effect.map(find(asking, options), (found) => found?.facts);

/** Number of messages of one subject in the server's index. It counts also those that it cannot read any more. */
export const countOf = Effect.fnUntraced(function* (
  asking: Asking,
  options: { readonly stream: string; readonly subject: string; readonly patienceMillis: number },
): Effect.fn.Return<number, LogUnavailable> {
  const { patienceMillis, stream, subject } = options;
  const said = yield* api<Info>(asking, {
    subject: `STREAM.INFO.${stream}`,
    body: { subjects_filter: subject },
    patienceMillis,
  });
  if (said.error !== undefined) return yield* unavailable(said.error.description);
  return said.state.subjects?.[subject] ?? 0;
});

/** The server did not do it, and says why. */
export interface NotChanged {
  readonly _tag: "NotChanged";
  readonly error: ApiError;
}

const changed = Effect.fnUntraced(function* (
  asking: Asking,
  subject: string,
  body: unknown,
): Effect.fn.Return<Found | NotChanged, LogUnavailable> {
  const asked = yield* Clock.currentTimeMillis;
  const said = yield* api<Info>(asking, { subject, body, patienceMillis: 15_000 });
  if (said.error !== undefined) return { _tag: "NotChanged", error: said.error };
  return yield* foundOf(said, asked);
});

/** Makes the stream. The caller has made sure that none is known that held something. */
export const create = (asking: Asking, settings: Settings, identity: string) =>
  changed(asking, `STREAM.CREATE.${settings.name}`, {
    ...configOf(settings),
    metadata: { [identityKey]: identity, [firstKey]: "1" },
  });

/** Changes fields of the configuration that was found. */
export const update = (asking: Asking, found: StreamConfig, fields: Partial<StreamConfig>) =>
  changed(asking, `STREAM.UPDATE.${found.name}`, { ...found, ...fields });
