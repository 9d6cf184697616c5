/**
 * The cache of answers: reuses an earlier response of a tool or a model for an equal request.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/ResponseCacheContract.ts`, kept by every layer:
 * - nothing is reused unless its caller asks for it, call by call, or leaves it to the configuration, tool by tool
 *   (`cache.responses.tools.NAME`), whose word of that moment holds;
 * - requests are equal when their canonical form is (`RequestKey`), in one tenant;
 * - an answer has the same shape from its first giving on, and each caller has a copy of its own; what is no plain JSON
 *   is refused (`AnswerRefused`);
 * - a failure is never kept, and what is too large is given and not kept;
 * - of many equal requests at once, in all processes, one is made;
 * - each answer that was given again is an event of the thread it was given in, so that it is counted like any other;
 * - while NATS is unreachable everything goes on, with what this process holds.
 *
 * Shared answers are kept by Effect's `Persistence`. Decision: its `PersistedCache` is not used on top, because that one
 * does not say whether an answer is new or old, holds a number of entries and not of bytes, and fails when its store does.
 *
 * The event is published behind the answer, not before: an answer from memory must not wait for a disk.
 */
import { Clock, Context, Effect, Layer, Option, Result } from "effect";
import { hostname } from "node:os";
import * as History from "../../domain/History.ts";
import { elapsedUnsafe } from "../../log/connection/Elapsed.ts";
import { Publisher } from "../../publish/Publisher.ts";
import { RecentlyUsed } from "../../snapshot/RecentlyUsed.ts";
import * as CacheMetrics from "./CacheMetrics.ts";
import { policyHere } from "../../publish/storing/StoragePolicy.ts";
import { type CacheReport, CacheSharing, type News } from "./CacheSharing.ts";
import { Configuration } from "../config/Configuration.ts";
import { type AnswerRefused, jsonOf, keyOf, type Request, type RequestRefused } from "./RequestKey.ts";
import type { Forgetting, Kept } from "./SharedAnswers.ts";
import * as SharedAnswers from "./SharedAnswers.ts";
import { type Flown, SingleFlight } from "./SingleFlight.ts";
import { defaultPatienceMillis } from "./BestEffort.ts";

/**
 * Largest answer that is kept, in bytes of JSON. Kept as a string in JSON again it takes twice as much at most, and that
 * is what one value of a bucket may have.
 */
export const maxAnswerBytes = 500 * 1024;
/** Longest life of an answer; the world has changed by then. */
export const maxTtlMillis = 365 * 86_400_000;
/** Memory of an answer beside its text. */
const entryBytes = 400;
/** Longer than most answers of models take; a caller that has waited for so long asks by itself. */
const joinMillis = 60_000;

export interface Asked extends Request {
  /** Default: what is configured at this moment, for this tool or else for all (`cache.responses.ttlMillis`). */
  readonly ttlMillis?: number | undefined;
  /**
   * Permission to give an answer again: by this call (default), or `cache.responses.tools.NAME` of the configuration at
   * this moment. A tool outside of it is asked each time and not kept; of models nothing is.
   */
  readonly allowedBy?: "call" | "configuration" | undefined;
  /** Patience with an equal request that is under way, in any process, before asking anew. Default 60,000. */
  readonly joinMillis?: number | undefined;
  /** The thread that the answer is given in. Without one a reuse is counted in this process and nowhere else. */
  readonly thread?: string | undefined;
  /** The tool call, or the message, that it is the answer to. */
  readonly callId?: string | undefined;
  readonly messageId?: string | undefined;
}

export interface Answer {
  readonly value: unknown;
  readonly key: string;
  /** Place where it lay; undefined for a new one, `flight` for one that another caller of this process was asking for. */
  readonly reusedFrom: "process" | "shared" | "flight" | undefined;
  /** Time of its first giving, epoch milliseconds, and milliseconds that it took. */
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
  /** Time of the answer, and the end of its life, by a monotonic clock. */
  readonly bornAt: number;
  readonly endsAt: number;
}

export class ResponseCache extends Context.Service<
  ResponseCache,
  {
    /** The answer to an equal request, if there is one that is young enough; else that of `ask`, which is kept. */
    readonly reuse: <A, E, R>(
      asked: Asked,
      ask: Effect.Effect<A, E, R>,
    ) => Effect.Effect<Answer, E | RequestRefused | AnswerRefused, R>;
    /** Only looks; undefined when it must be asked. A reuse is recorded. */
    readonly find: (asked: Asked) => Effect.Effect<Answer | undefined, RequestRefused>;
    /** Keeps an answer that was given elsewhere just now; not one that was asked for before everything was forgotten. */
    readonly keep: (
      asked: Asked,
      answer: { readonly value: unknown; readonly tookMillis: number },
    ) => Effect.Effect<void, RequestRefused>;
    /** Invalidates answers in every process. False: NATS is unreachable, so only in this one. */
    readonly forget: (what: Forgetting) => Effect.Effect<boolean>;
    readonly counts: Effect.Effect<ResponseCounts>;
    /** Size of what is shared; undefined while NATS is unreachable. */
    readonly usage: Effect.Effect<{ readonly values: number; readonly bytes: number } | undefined>;
    readonly reports: Effect.Effect<ReadonlyArray<CacheReport>>;
  }
>()("recollect/coordination/ResponseCache") {}

/** An answer that was found or asked for, before each caller gets a copy. */
interface Landed {
  readonly kept: Kept;
  readonly from: Answer["reusedFrom"];
  /** True when other processes may have it. */
  readonly isShared: boolean;
}

const bytesOf = ({ json }: Kept): number => json.length * 2 + entryBytes;

const answerOf = (key: string, kept: Kept, reusedFrom: Answer["reusedFrom"]): Answer => ({
  value: JSON.parse(kept.json) as unknown,
  key,
  reusedFrom,
  answeredAt: kept.answeredAt,
  tookMillis: kept.tookMillis,
});

export interface Options {
  /** Patience with what is shared, milliseconds. Default 250. */
  readonly patienceMillis?: number | undefined;
}

/** Without a publisher nothing is recorded: to look after the cache only. */
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
  const elapsed = () => elapsedUnsafe(clock);
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
  const flights = new SingleFlight<Landed, unknown>(scope);
  const shared = yield* SharedAnswers.make({
    wire,
    tenant,
    patienceMillis,
    maxBytes: config.get("cache.responses.maxBytes"),
    now: elapsed,
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

  /** Age of an answer. One of the future is as old as now: the clock was set back, and what is shared ends by the server's. */
  const ageOf = ({ answeredAt }: { readonly answeredAt: number }): number => Math.max(0, now() - answeredAt);

  const hold = (request: Request, key: string, kept: Kept, ttlMillis: number) => {
    const { kind, name } = request;
    const bornAt = elapsed() - ageOf(kept);
    held.put(key, { ...kept, kind, name, bornAt, endsAt: bornAt + ttlMillis }, bytesOf(kept));
  };

  /** Life of the answer, milliseconds; undefined: it is not to be given again. */
  const lifeOf = Effect.fnUntraced(function* ({ allowedBy = "call", kind, name, ttlMillis }: Asked) {
    held.maxBytes = yield* config.get("cache.responses.processBytes");
    const tool = kind === "tool" ? (yield* config.family("cache.responses.tools")).get(name) : undefined;
    if (tool === undefined && allowedBy === "configuration") return undefined;
    const wanted = ttlMillis ?? tool?.ttlMillis ?? (yield* config.get("cache.responses.ttlMillis"));
    return Math.min(wanted, maxTtlMillis);
  });

  const isYoung = (kept: Kept, ttlMillis: number): boolean => ageOf(kept) < ttlMillis;

  /** Behind the answer. While the log is unreachable it is spooled; what not even the spool takes is counted. */
  const record = (asked: Asked, key: string, { from, kept: { answeredAt, json, tookMillis } }: Landed) =>
    Effect.suspend(() => {
      const { callId, kind, messageId, name, thread } = asked;
      if (publisher === undefined || thread === undefined || from === undefined) return Effect.void;
      const saved = { answeredAt, savedMillis: tookMillis, bytes: json.length };
      const data = { key, kind, name, ...saved, from, callId, messageId };
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
    const landed = (kept: Kept, from: "process" | "shared"): Landed => {
      counts[from === "process" ? "fromProcess" : "fromShared"]++;
      return { kept, from, isShared: false };
    };
    const here = held.use(key);
    if (here !== undefined && elapsed() < Math.min(here.endsAt, here.bornAt + ttlMillis)) {
      const found = landed(here, "process");
      yield* record(asked, key, found);
      return found;
    }
    held.delete(key);
    const before = generation;
    const shown = yield* shared.get(asked, key);
    if (Option.isNone(shown) || !isYoung(shown.value, ttlMillis)) return undefined;
    if (before === generation) hold(asked, key, shown.value, ttlMillis);
    const found = landed(shown.value, "shared");
    yield* record(asked, key, found);
    return found;
  });

  /** Keeps an answer in this process, if it may be kept at all. True when other processes may have it, too. */
  const keepHere = (options: {
    readonly asked: Asked;
    readonly key: string;
    readonly kept: Kept;
    readonly ttlMillis: number;
    readonly before: number;
  }): boolean => {
    const { asked, before, kept, key, ttlMillis } = options;
    const isTooLarge = Buffer.byteLength(kept.json, "utf8") > maxAnswerBytes;
    if (isTooLarge) counts.tooLarge++;
    if (isTooLarge || !(ttlMillis > 0) || before !== generation) return false;
    hold(asked, key, kept, ttlMillis);
    // An answer without its secret would be another answer: it stays in the process that got it.
    const { stored } = policy();
    return stored === undefined || !stored.holds(JSON.parse(kept.json));
  };

  const reuse = Effect.fn("cache.reuse")(function* <A, E, R>(asked: Asked, ask: Effect.Effect<A, E, R>) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    const context = yield* Effect.context<R>();
    const before = generation;
    const asks = Effect.gen(function* () {
      const began = performance.now();
      const value = yield* ask;
      const tookMillis = performance.now() - began;
      const json = yield* Effect.fromResult(jsonOf(asked.name, value));
      return { json, answeredAt: now(), tookMillis } satisfies Kept;
    }).pipe(Effect.provideContext(context));
    if (ttlMillis === undefined) return answerOf(key, yield* asks, undefined);
    counts.requests++;
    const asksAndKeeps = Effect.suspend(() => (counts.asked++, asks)).pipe(
      Effect.tapError(() => Effect.sync(() => counts.failed++)),
      Effect.map((kept): Landed => {
        const isShared = keepHere({ asked, key, kept, ttlMillis, before });
        return { kept, from: undefined, isShared };
      }),
    );
    const patience = asked.joinMillis ?? joinMillis;
    const look = lookFor(asked, key, ttlMillis);
    const asksOnce = shared.flights.once(key, {
      look,
      work: asksAndKeeps,
      share: ({ isShared, kept }) => (isShared ? shared.set(asked, key, kept, ttlMillis) : Effect.void),
      patienceMillis: patience,
    });
    // An answer that is not kept cannot be waited for.
    const asksNow = ttlMillis > 0 ? asksOnce : asksAndKeeps;
    const work = Effect.flatMap(look, (found) => (found === undefined ? asksNow : Effect.succeed(found)));
    const isJoining = flights.isUnderway(key);
    const flight = flights.once(key, work) as Effect.Effect<Flown<Landed>, E | AnswerRefused>;
    const flown = isJoining ? yield* Effect.timeoutOption(flight, patience) : Option.some(yield* flight);
    if (Option.isNone(flown)) return answerOf(key, (yield* asksAndKeeps).kept, undefined);
    const { isJoined, value: landed } = flown.value;
    if (!isJoined) return answerOf(key, landed.kept, landed.from);
    // The caller that was joined may have been content with an older answer.
    if (landed.from !== undefined && !isYoung(landed.kept, ttlMillis)) {
      return answerOf(key, (yield* asksAndKeeps).kept, undefined);
    }
    counts.joined++;
    yield* record(asked, key, { ...landed, from: "flight" });
    return answerOf(key, landed.kept, "flight");
  });

  const find = Effect.fn("cache.findResponse")(function* (asked: Asked) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    if (ttlMillis === undefined) return undefined;
    counts.requests++;
    const found = yield* lookFor(asked, key, ttlMillis);
    return found === undefined ? undefined : answerOf(key, found.kept, found.from);
  });

  const keep = Effect.fn("cache.keepResponse")(function* (
    asked: Asked,
    { tookMillis, value }: { readonly value: unknown; readonly tookMillis: number },
  ) {
    const key = yield* Effect.fromResult(keyOf(asked));
    const ttlMillis = yield* lifeOf(asked);
    if (ttlMillis === undefined || performance.now() - tookMillis <= forgottenAt) return;
    counts.asked++;
    const json = jsonOf(asked.name, value);
    // A value that is no JSON was given as it is, and cannot be given again.
    if (Result.isFailure(json)) return;
    const kept = { json: json.success, tookMillis, answeredAt: now() };
    if (!keepHere({ asked, key, kept, ttlMillis, before: generation })) return;
    yield* Effect.forkIn(shared.set(asked, key, kept, ttlMillis), scope, { startImmediately: true });
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

/** To look after the cache only: what is reused through it is recorded nowhere. */
export const layerCare = Layer.effect(ResponseCache, make(undefined));
