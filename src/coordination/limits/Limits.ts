/**
 * Limits: may this be done now, or when? One answer for all processes, from all limits that are concerned.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/LimitsContract.ts` or `test/coordination/Limits.test.ts`:
 * - a request is allowed when every limit that it concerns allows it; one that concerns none costs nothing;
 * - a refused request uses nothing up: the other limits get back what they gave. Until then other requests may be refused
 *   in its place: together they get fewer than the limit for a moment, and never more. A place that cannot be given back, because
 *   NATS is lost at that moment, is used;
 * - a refusal is an answer: which limit, why, and after how many milliseconds it is worth asking again;
 * - a limit that is changed in the configuration holds from the next request on;
 * - while NATS is unreachable an `open` limit counts in this process alone, from nothing, and a `closed` one refuses.
 */
import { Context, Effect, Layer, Schema } from "effect";
import { createHash } from "node:crypto";
import { fitsUtf8 } from "../../domain/Json.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { decodeToken } from "../../log/Subject.ts";
import { type BucketError, Buckets, type Entry, keyOf, type Settings } from "../bucket/Bucket.ts";
import { Configuration } from "../config/Configuration.ts";
import type { Dimension, Limit } from "../config/Limit.ts";
import * as LimitCounts from "./LimitCounts.ts";
import { type Decision, taking } from "./LimitMath.ts";

/** No request can be like this, or no time will come when it is allowed. Nothing was used. */
export class LimitRefused extends Schema.TaggedError<LimitRefused>()("LimitRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** A request. A dimension that it does not name concerns no limit that counts or narrows by it. */
export interface LimitRequest {
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
  readonly tool?: string | undefined;
  /** Tokens at once; default 1. */
  readonly tokens?: number | undefined;
}

/** A limit that allowed, and what is left of it. */
export interface Left {
  readonly limit: string;
  readonly remaining: number;
  /** Until all of it is back, if nothing else takes any. */
  readonly resetAfterMillis: number;
}

export interface Allowed {
  readonly allowed: true;
  readonly limits: ReadonlyArray<Left>;
  /** Open limits that were counted in this process alone, because NATS is unreachable. */
  readonly countedHere: ReadonlyArray<string>;
}

export interface Denied {
  readonly allowed: false;
  /** Name of the limit in the configuration: `limits.<name>`. */
  readonly limit: string;
  /** `unreachable`: NATS is, and the limit is closed then. */
  readonly reason: "exceeded" | "unreachable";
  /** Other requests may be quicker then. */
  readonly retryAfterMillis: number;
  readonly message: string;
  readonly hint: string;
}

/** Use of a limit at this moment, for one combination of what it counts apart. */
export interface LimitUse {
  readonly limit: string;
  /** Values of its `per`, a long one as the beginning of its SHA-256. */
  readonly of: ReadonlyArray<string>;
  readonly used: number;
  readonly most: number;
}

export class Limits extends Context.Service<
  Limits,
  {
    /** Takes from every limit that is concerned, or from none. */
    readonly take: (request: LimitRequest) => Effect.Effect<Allowed | Denied, LimitRefused>;
    /** Limits that are used at all now, each with its use. */
    readonly uses: Effect.Effect<ReadonlyArray<LimitUse>, BucketError>;
  }
>()("recollect/coordination/Limits") {}

/**
 * In memory, because a limit's state is worth nothing after a restart. 64 MiB hold some 200,000 keys; then those that were
 * used longest ago are forgotten, and count from nothing.
 */
export const bucketSettings: Settings = {
  name: "RECOLLECT_LIMITS",
  description: "Recollect: how much of each limit was used. May be deleted at any time; limits then begin anew.",
  storage: "memory",
  ttlMillis: 31 * 86_400_000,
  maxBytes: 64 * 1024 * 1024,
  maxValueBytes: 16 * 1024,
  whenFull: "forget",
};

/** Time after a question without an answer during which nothing is asked: a server that hangs must not delay each call. */
const restMillis = 1_000;
/** Longer names are counted under their SHA-256: a key has room for five of this size. */
const maxNameBytes = 100;
/** Keys that a process counts alone while NATS is unreachable; beyond them it counts from nothing. */
const maxCountedHere = 10_000;

const dimensions: ReadonlyArray<Dimension> = ["tenant", "user", "tool"];

/** Stands between the names in a key, and in none of them. */
const separator = "\u0000";

const part = (name: string): string =>
  fitsUtf8(name, maxNameBytes)
    ? name.replaceAll(separator, " ")
    : `sha256-${createHash("sha256").update(name, "utf8").digest("hex").slice(0, 32)}`;
const joined = (...names: ReadonlyArray<string>): string => names.map(part).join(separator);

/** The first token of the keys of its states. */
const kindOf = ({ algorithm }: Limit) => (algorithm === "token-bucket" ? "refill" : "slide");

interface Concerned {
  readonly name: string;
  readonly limit: Limit;
  readonly key: string;
}

/** Limits of two configurations are two limits, also under one name. */
type Whose = Pick<Configuration["Service"], "tenant" | "scope">;

/** A limit with what is the same for all requests: the beginning of its keys, and what it is narrowed to. */
interface Prepared {
  readonly name: string;
  readonly limit: Limit;
  readonly only: ReadonlyArray<readonly [Dimension, string]>;
  readonly beginning: string;
}

const prepare = ({ scope, tenant }: Whose, limits: ReadonlyMap<string, Limit>): ReadonlyArray<Prepared> =>
  [...limits].map(([name, limit]) => {
    const only = dimensions.flatMap((dimension) => {
      const value = limit.only?.[dimension];
      return value == null ? [] : [[dimension, value] as const];
    });
    return { name, limit, only, beginning: joined(tenant, scope, name) };
  });

/** The limits that a request concerns, each with its key. Plain: it is on the way of each tool call. */
const concernedBy = (limits: ReadonlyArray<Prepared>, request: LimitRequest): ReadonlyArray<Concerned> => {
  const concerned: Array<Concerned> = [];
  next: for (const { beginning, limit, name, only } of limits) {
    for (const [dimension, value] of only) if (request[dimension] !== value) continue next;
    let key = beginning;
    for (const dimension of limit.per) {
      const value = request[dimension];
      if (value === undefined) continue next;
      key += separator + part(value);
    }
    concerned.push({ name, limit, key: keyOf(kindOf(limit), key) });
  }
  return concerned;
};

/** The reason why so many can never be taken; undefined when they can. */
const impossible = (concerned: ReadonlyArray<Concerned>, tokens: number): LimitRefused | undefined => {
  if (!Number.isSafeInteger(tokens) || tokens < 1) {
    return new LimitRefused({
      message: `${tokens} tokens cannot be taken.`,
      hint: "Take a whole number of them, 1 or more.",
    });
  }
  const small = concerned.find(({ limit }) => limit.limit < tokens);
  if (small === undefined) return undefined;
  return new LimitRefused({
    message: `${tokens} at once are more than the limit ${small.name} ever gives (${small.limit.limit}).`,
    hint: "Take fewer at once, or raise the limit.",
  });
};

interface Taken {
  readonly from: Concerned;
  readonly decision: Pick<Decision, "isAllowed" | "remaining" | "waitMillis">;
  readonly by: "all" | "here" | "unreachable";
}

const denied = ({ by, decision, from: { limit, name } }: Taken): Denied => {
  const retryAfterMillis = Math.max(1, Math.ceil(decision.waitMillis));
  const isUnreachable = by === "unreachable";
  return {
    allowed: false,
    limit: name,
    reason: isUnreachable ? "unreachable" : "exceeded",
    retryAfterMillis,
    message: isUnreachable
      ? `NATS is unreachable, and the limit ${name} is closed then.`
      : `The limit ${name} (${limit.limit} in ${limit.windowMillis} ms) is used up.`,
    hint: isUnreachable
      ? `To allow in that case: recollect config set limits.${name} with "whenAway":"open".`
      : `Ask again in ${retryAfterMillis} ms.`,
  };
};

/** The use that an entry of the bucket tells of, if it is of these limits. */
const useOf = (
  whose: Whose,
  limits: ReadonlyMap<string, Limit>,
  { key, value }: Entry,
  now: number,
): ReadonlyArray<LimitUse> => {
  const [kind = "", token = ""] = key.split(".");
  const [tenant = "", scope = "", name = "", ...of] = (decodeToken(token) ?? "").split(separator);
  const isTheirs = joined(tenant, scope) === joined(whose.tenant, whose.scope);
  const limit = isTheirs ? limits.get(name) : undefined;
  // Of a limit that is no more, or by an algorithm that it no longer has.
  if (limit === undefined || kind !== kindOf(limit)) return [];
  const used = limit.limit - taking(limit, 0)(LimitCounts.stateIn(value), now).remaining;
  return used > 0 ? [{ limit: name, of, used, most: limit.limit }] : [];
};

const make = Effect.gen(function* () {
  const configuration = yield* Configuration;
  const bucket = yield* Effect.flatMap(Buckets, ({ open }) => open(bucketSettings));
  const counts = LimitCounts.make(bucket);
  /** States that this process counts alone. */
  const here = new Map<string, unknown>();
  let restsUntil = Number.NEGATIVE_INFINITY;
  let known: { readonly limits: ReadonlyMap<string, Limit>; readonly prepared: ReadonlyArray<Prepared> } | undefined;

  /** The limits that hold now, prepared when they change. */
  const prepared = Effect.map(configuration.family("limits"), (limits) => {
    if (known?.limits !== limits) known = { limits, prepared: prepare(configuration, limits) };
    return known.prepared;
  });

  const takeHere = ({ key, limit }: Concerned, tokens: number, now: number): Decision => {
    const decision = taking(limit, tokens)(here.get(key), now);
    if (here.size >= maxCountedHere) here.clear();
    if (decision.next !== undefined) here.set(key, decision.next);
    return decision;
  };

  const takeFrom = Effect.fnUntraced(function* (from: Concerned, tokens: number): Effect.fn.Return<Taken> {
    const now = yield* elapsed;
    if (now >= restsUntil) {
      const decided = yield* Effect.result(counts.decide(from.key, taking(from.limit, tokens)));
      if (decided._tag === "Success") return { from, decision: decided.success, by: "all" };
      restsUntil = now + restMillis;
      yield* Effect.logWarning(`limits cannot be asked: ${decided.failure.reason}`);
    }
    if (from.limit.whenAway !== "closed") return { from, decision: takeHere(from, tokens, now), by: "here" };
    const waitMillis = Math.max(1, restsUntil - now);
    return { from, decision: { isAllowed: false, remaining: 0, waitMillis }, by: "unreachable" };
  });

  const giveBack = Effect.fnUntraced(function* ({ by, from }: Taken, tokens: number) {
    if (by === "here") takeHere(from, -tokens, yield* elapsed);
    else yield* Effect.ignore(counts.decide(from.key, taking(from.limit, -tokens)));
  });

  /** Those that refused last are asked first and alone: mostly they refuse again, and nothing has to be given back. */
  const inOrder = (concerned: ReadonlyArray<Concerned>): ReadonlyArray<ReadonlyArray<Concerned>> => {
    if (concerned.length < 2) return [concerned];
    const refusing = concerned.filter(({ key }) => counts.refuses(key));
    return [refusing, concerned.filter((one) => !refusing.includes(one))];
  };

  const take = Effect.fnUntraced(function* (request: LimitRequest): Effect.fn.Return<Allowed | Denied, LimitRefused> {
    const { tokens = 1 } = request;
    const concerned = concernedBy(yield* prepared, request);
    const refused = impossible(concerned, tokens);
    if (refused !== undefined) return yield* refused;
    const taken: Array<Taken> = [];
    for (const group of inOrder(concerned)) {
      const [only] = group;
      // Mostly it is one, and a fiber for it would cost a tenth of a round trip.
      if (only !== undefined && group.length === 1) taken.push(yield* takeFrom(only, tokens));
      else taken.push(...(yield* Effect.forEach(group, (one) => takeFrom(one, tokens), { concurrency: "unbounded" })));
      const [first, ...others] = taken.filter(({ decision }) => !decision.isAllowed);
      if (first === undefined) continue;
      const given = taken.filter(({ decision }) => decision.isAllowed);
      yield* Effect.forEach(given, (one) => giveBack(one, tokens), { concurrency: "unbounded" });
      // After the longest of the waits all of them are over.
      const waits = (one: Taken) => one.decision.waitMillis;
      return denied(others.reduce((longest, one) => (waits(one) > waits(longest) ? one : longest), first));
    }
    return {
      allowed: true,
      limits: taken.map(({ decision, from }) => ({
        limit: from.name,
        remaining: decision.remaining,
        resetAfterMillis: Math.ceil(decision.waitMillis),
      })),
      countedHere: taken.flatMap(({ by, from }) => (by === "here" ? [from.name] : [])),
    };
  }, Effect.uninterruptible);

  const uses = Effect.gen(function* () {
    const limits = yield* configuration.family("limits");
    const now = yield* bucket.now;
    const entries = yield* bucket.entries(">");
    return entries.flatMap((entry) => useOf(configuration, limits, entry, now));
  });

  return Limits.of({ take, uses });
});

export const layer = Layer.effect(Limits, make);
