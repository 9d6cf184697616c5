/**
 * The cache of answers: what a tool or a model said to a request is said again in place of asking again.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/ResponseCacheContract.ts`, kept by every layer:
 * - nothing is reused unless its caller asks for it, call by call, or leaves it to the configuration, tool by tool
 *   (`cache.responses.tools.NAME`), whose word of that moment holds;
 * - requests are equal when their canonical form is (`RequestKey`), in one tenant;
 * - a failure is never kept, and what is too large is given and not kept;
 * - of many equal requests at once, one is made;
 * - each answer that was given again is an event of the thread it was given in, so that it is counted like any other;
 * - with NATS away everything goes on, with what this process holds.
 *
 * What is shared is kept by Effect's `Persistence`. Decision: its `PersistedCache` is not used on top, because that one
 * does not say whether an answer is new or old, holds a number of entries and not of bytes, and fails when its store does.
 *
 * The event is published behind the answer, not before: an answer from memory must not wait for a disk.
 */
import { Clock, Context, Effect, Layer, Option } from "effect";
import { hostname } from "node:os";
import * as History from "../../domain/History.ts";
import { Publisher } from "../../publish/Publisher.ts";
import { RecentlyUsed } from "../../snapshot/RecentlyUsed.ts";
import * as CacheMetrics from "./CacheMetrics.ts";
import { policyHere } from "../../publish/storing/StoragePolicy.ts";
import { type CacheReport, CacheSharing, type News } from "./CacheSharing.ts";
import { Configuration } from "../config/Configuration.ts";
import { keyOf, type Request, type RequestRefused } from "./RequestKey.ts";
import type { Forgetting, Kept } from "./SharedAnswers.ts";
import * as SharedAnswers from "./SharedAnswers.ts";
import { SingleFlight } from "./SingleFlight.ts";
import { defaultPatienceMillis } from "./BestEffort.ts";

/**
 * Largest answer that is kept, in bytes of JSON. Kept as a string in JSON again it takes twice as much at most, and that
 * is what one value of a bucket may have.
 */
export const maxAnswerBytes = 500 * 1024;
/** Longest life of an answer; the world has changed by then. */
export const maxTtlMillis = 365 * 86_400_000;
/** What an answer takes in memory beside its text. */
const entryBytes = 400;

export interface Asked extends Request {
  /** Default: what is configured at this moment, for this tool or else for all (`cache.responses.ttlMillis`). */
  readonly ttlMillis?: number | undefined;
  /**
   * Who allows that an answer is given again: this call (default), or `cache.responses.tools.NAME` of the configuration at
   * this moment. What is not in it is asked each time and not kept; of models nothing is.
   */
  readonly allowedBy?: "call" | "configuration" | undefined;
  /** The thread that the answer is given in. Without one a reuse is counted in this process and nowhere else. */
  readonly thread?: string | undefined;
  /** The tool call, or the message, that it is the answer to. */
  readonly callId?: string | undefined;
  readonly messageId?: string | undefined;
}

export interface Answer {
  readonly value: unknown;
  readonly key: string;
  /** Where it lay; undefined for a new one. */
  readonly reusedFrom: "process" | "shared" | "flight" | undefined;
  /** When it was given first, epoch milliseconds, and how long that took. */
  readonly answeredAt: number;
  readonly tookMillis: number;
}

/** Since the process began. */
export interface ResponseCounts {
  readonly requests: number;
  readonly fromProcess: number;
  readonly fromShared: number;
  /** Answered by a request that another had made. */
  readonly joined: number;
  readonly asked: number;
  readonly failed: number;
  readonly tooLarge: number;
  /** Reuses that could not be published. */
  readonly unrecorded: number;
  readonly sharedFailures: number;
  readonly answers: number;
  readonly bytes: number;
}

interface Held extends Kept {
  readonly kind: string;
  readonly name: string;
  readonly endsAt: number;
}

export class ResponseCache extends Context.Service<
  ResponseCache,
  {
    /** The answer to an equal request, if there is one that is young enough; else that of `ask`, which is kept. */
    readonly reuse: <A, E, R>(
      asked: Asked,
      ask: Effect.Effect<A, E, R>,
    ) => Effect.Effect<Answer, E | RequestRefused, R>;
    /** Only looks; undefined when it must be asked. A reuse is recorded. */
    readonly find: (asked: Asked) => Effect.Effect<Answer | undefined, RequestRefused>;
    /** Keeps an answer that was given elsewhere just now; not one that was asked for before everything was forgotten. */
    readonly keep: (
      asked: Asked,
      answer: { readonly value: unknown; readonly tookMillis: number },
    ) => Effect.Effect<void, RequestRefused>;
    /** Nobody reuses these any longer. False: NATS is away, so that only this process has forgotten. */
    readonly forget: (what: Forgetting) => Effect.Effect<boolean>;
    readonly counts: Effect.Effect<ResponseCounts>;
    /** What is shared takes so much; undefined while NATS is away. */
    readonly usage: Effect.Effect<{ readonly values: number; readonly bytes: number } | undefined>;
    readonly reports: Effect.Effect<ReadonlyArray<CacheReport>>;
  }
>()("recollect/coordination/ResponseCache") {}

const bytesOf = ({ json }: Kept): number => json.length * 2 + entryBytes;

const answerOf = (key: string, kept: Kept, reusedFrom: Answer["reusedFrom"]): Answer => ({
  value: JSON.parse(kept.json) as unknown,
  key,
  reusedFrom,
  answeredAt: kept.answeredAt,
  tookMillis: kept.tookMillis,
});

export interface Options {
  /** How long what is shared is waited for before it is asked. Default 250. */
  readonly patienceMillis?: number | undefined;
}

/** An answer has the shape from its first giving on that it has when it is reused: what JSON makes of it. */
const asKept = (value: unknown): unknown => JSON.parse(JSON.stringify(value ?? null) ?? "null") as unknown;

/** Without a publisher nothing is recorded: for those who only look after the cache. */
export const make = Effect.fn("cache.openResponses")(function* (
  publisher: Publisher["Service"] | undefined,
  { patienceMillis = defaultPatienceMillis }: Options = {},
) {
  const wire = yield* CacheSharing;
  const policy = yield* policyHere;
  const config = yield* Configuration;
  const clock = yield* Clock.Clock;
  const scope = yield* Effect.scope;
  const { tenant } = config;
  const now = () => clock.currentTimeMillisUnsafe();
  const held = new RecentlyUsed<Held>(yield* config.get("cache.responses.processBytes"));
  const counts = {
    requests: 0,
    fromProcess: 0,
    fromShared: 0,
    joined: 0,
    asked: 0,
    failed: 0,
    tooLarge: 0,
    unrecorded: 0,
  };
  const flights = new SingleFlight<Answer, unknown>(scope);
  const shared = yield* SharedAnswers.make({
    wire,
    tenant,
    patienceMillis,
    maxBytes: config.get("cache.responses.maxBytes"),
    now,
  });
  /** Rises with whatever is forgotten: an answer that was asked for before is not kept. */
  let generation = 0;
  /** By the platform's monotonic clock. */
  let forgottenAt = -Infinity;

  const forgetHere = (what: Forgetting) => {
    generation++;
    forgottenAt = performance.now();
    flights.part();
    if (what === "all") return held.clear();
    for (const key of held.keys()) {
      const one = held.peek(key);
      if (one?.kind === what.kind && one.name === what.name) held.delete(key);
    }
  };

  const countsNow = (): ResponseCounts => ({
    ...counts,
    sharedFailures: shared.failures(),
    answers: held.size,
    bytes: held.bytes,
  });

  const report = (): CacheReport => ({
    process: `${hostname()} ${process.pid}`,
    cache: "responses",
    counts: { ...countsNow() },
  });
  yield* CacheMetrics.keepTelling(report);
  yield* wire.listen({
    tenant,
    heard: (news) => {
      if (news.forget !== "responses") return;
      const { kind, name } = news;
      forgetHere((kind === "tool" || kind === "model") && name !== undefined ? { kind, name } : "all");
    },
    missed: () => forgetHere("all"),
    report,
  });

  const hold = (request: Request, key: string, kept: Kept, ttlMillis: number) => {
    const { kind, name } = request;
    held.put(key, { ...kept, kind, name, endsAt: kept.answeredAt + ttlMillis }, bytesOf(kept));
  };

  /** How long the answer lives; undefined: it is not to be given again. */
  const lifeOf = Effect.fnUntraced(function* ({ allowedBy = "call", kind, name, ttlMillis }: Asked) {
    held.maxBytes = yield* config.get("cache.responses.processBytes");
    const tool = kind === "tool" ? (yield* config.family("cache.responses.tools")).get(name) : undefined;
    if (tool === undefined && allowedBy === "configuration") return undefined;
    const wanted = ttlMillis ?? tool?.ttlMillis ?? (yield* config.get("cache.responses.ttlMillis"));
    return Math.min(wanted, maxTtlMillis);
  });

  const isYoung = ({ answeredAt }: { readonly answeredAt: number }, ttlMillis: number): boolean =>
    now() < answeredAt + ttlMillis;

  /** Behind the answer. A log that is away has a spool; what not even that takes is counted. */
  const record = (asked: Asked, { answeredAt, key, reusedFrom, tookMillis }: Answer, bytes: number) =>
    Effect.suspend(() => {
      const { callId, kind, messageId, name, thread } = asked;
      if (publisher === undefined || thread === undefined || reusedFrom === undefined) return Effect.void;
      const data = { key, kind, name, answeredAt, savedMillis: tookMillis, bytes, from: reusedFrom, callId, messageId };
      const published = publisher
        .publish({ history: History.thread(thread, publisher.tenant), type: "thread.response_reused", data })
        .pipe(
          Effect.tapError(() => Effect.sync(() => counts.unrecorded++)),
          Effect.ignore,
        );
      return Effect.asVoid(Effect.forkIn(published, scope, { startImmediately: true }));
    });

  /** From memory, else from what is shared. */
  const lookFor = Effect.fnUntraced(function* (asked: Asked, key: string, ttlMillis: number) {
    const here = held.use(key);
    if (here !== undefined && now() < here.endsAt && isYoung(here, ttlMillis)) {
      counts.fromProcess++;
      const answer = answerOf(key, here, "process");
      yield* record(asked, answer, here.json.length);
      return answer;
    }
    held.delete(key);
    const before = generation;
    const found = yield* shared.get(asked, key);
    if (Option.isNone(found) || !isYoung(found.value, ttlMillis)) return undefined;
    if (before === generation) hold(asked, key, found.value, ttlMillis);
    counts.fromShared++;
    const answer = answerOf(key, found.value, "shared");
    yield* record(asked, answer, found.value.json.length);
    return answer;
  });

  const keepAs = Effect.fnUntraced(function* (options: {
    readonly asked: Asked;
    readonly answer: Pick<Answer, "key" | "value" | "answeredAt" | "tookMillis">;
    readonly ttlMillis: number;
    readonly before: number;
  }) {
    const { answer, asked, before, ttlMillis } = options;
    const { answeredAt, key, tookMillis, value } = answer;
    const kept = { json: JSON.stringify(value ?? null) ?? "null", answeredAt, tookMillis };
    const isTooLarge = Buffer.byteLength(kept.json, "utf8") > maxAnswerBytes;
    if (isTooLarge) counts.tooLarge++;
    if (isTooLarge || !(ttlMillis > 0) || before !== generation) return;
    hold(asked, key, kept, ttlMillis);
    // An answer without its secret would be another answer: it stays in the process that got it.
    if (policy().stored?.holds(value) === true) return;
    // Nobody waits for it.
    yield* Effect.forkIn(shared.set(asked, key, kept, ttlMillis), scope, { startImmediately: true });
  });

  const reuse = Effect.fn("cache.reuse")(function* <A, E, R>(asked: Asked, ask: Effect.Effect<A, E, R>) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    const context = yield* Effect.context<R>();
    const before = generation;
    const asks = Effect.gen(function* () {
      const began = performance.now();
      const value = yield* ask;
      const tookMillis = performance.now() - began;
      return { value, key, reusedFrom: undefined, answeredAt: now(), tookMillis } satisfies Answer;
    }).pipe(Effect.provideContext(context));
    if (ttlMillis === undefined) return yield* asks;
    counts.requests++;
    const asksAndKeeps = Effect.suspend(() => (counts.asked++, asks)).pipe(
      Effect.tapError(() => Effect.sync(() => counts.failed++)),
      Effect.map((answer): Answer => ({ ...answer, value: asKept(answer.value) })),
      Effect.tap((answer) => keepAs({ asked, answer, ttlMillis, before })),
    );
    const work = Effect.flatMap(lookFor(asked, key, ttlMillis), (found) =>
      found === undefined ? asksAndKeeps : Effect.succeed<Answer>(found),
    );
    const { isJoined, value: answer } = yield* flights.once(key, work) as Effect.Effect<
      { readonly isJoined: boolean; readonly value: Answer },
      E
    >;
    if (!isJoined) return answer;
    // Who was joined may have been content with an older answer than we are.
    if (answer.reusedFrom !== undefined && !isYoung(answer, ttlMillis)) return yield* asksAndKeeps;
    counts.joined++;
    const json = JSON.stringify(answer.value ?? null);
    const joined: Answer = { ...answer, value: JSON.parse(json) as unknown, reusedFrom: "flight" };
    yield* record(asked, joined, json.length);
    return joined;
  });

  const find = Effect.fn("cache.findResponse")(function* (asked: Asked) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    if (ttlMillis === undefined) return undefined;
    counts.requests++;
    return yield* lookFor(asked, key, ttlMillis);
  });

  const keep = Effect.fn("cache.keepResponse")(function* (
    asked: Asked,
    { tookMillis, value }: { readonly value: unknown; readonly tookMillis: number },
  ) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    if (ttlMillis === undefined || performance.now() - tookMillis <= forgottenAt) return;
    counts.asked++;
    const answer = { key, value, tookMillis, answeredAt: now() };
    yield* keepAs({ asked, answer, ttlMillis, before: generation });
  });

  const forget = Effect.fn("cache.forgetResponses")(function* (what: Forgetting) {
    const news: News = what === "all" ? { forget: "responses" } : { forget: "responses", ...what };
    forgetHere(what);
    // Told twice, as with files: before what is shared goes, and behind.
    const told = yield* wire.tell(tenant, news);
    const cleared = yield* shared.clear(what);
    return told && Option.isSome(cleared) && (yield* wire.tell(tenant, news));
  });

  return ResponseCache.of({
    reuse,
    find,
    keep,
    forget,
    counts: Effect.sync(countsNow),
    usage: Effect.map(
      shared.usage,
      Option.match({ onNone: () => undefined, onSome: ({ bytes, keys }) => ({ values: keys, bytes }) }),
    ),
    reports: Effect.map(wire.gather(tenant), (reports) => reports.filter(({ cache }) => cache === "responses")),
  });
});

export const layer = (options: Options = {}) =>
  Layer.effect(
    ResponseCache,
    Effect.flatMap(Publisher, (publisher) => make(publisher, options)),
  );

/** For those who only look after it: what is reused through it is recorded nowhere. */
export const layerCare = Layer.effect(ResponseCache, make(undefined));
