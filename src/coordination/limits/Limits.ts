/**
 * Limits: may this be done now, or when? One answer for all processes, from all limits that are concerned.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/LimitsContract.ts`:
 * - a request is allowed when every limit that it concerns allows it; one that concerns none costs nothing;
 * - when one refuses, the others get back what they gave, so a refused request uses nothing up. Until then others may be
 *   refused in its place: together they get fewer than the limit for a moment, and never more. What cannot be given back,
 *   because NATS is lost at that moment, is used;
 * - a refusal says which limit it was and after how many milliseconds it is worth to ask again;
 * - a limit that is changed in the configuration holds from the next request on;
 * - while NATS cannot be asked each limit decides by its own policy: `open` allows, `closed` refuses.
 */
import { Clock, Context, Duration, Effect, Layer, Result, Schema } from "effect";
import { RateLimiter } from "effect/persistence";
import { createHash } from "node:crypto";
import { fitsUtf8 } from "../../domain/Json.ts";
import { decodeToken } from "../../log/Subject.ts";
import type { BucketError, Entry } from "../bucket/Bucket.ts";
import { Configuration } from "../config/Configuration.ts";
import type { Dimension, Limit } from "../config/Limit.ts";
import { Limiters } from "./LimiterStore.ts";
import { takeBucket, takeSliding } from "./LimitMath.ts";

/** A limit refuses. Ask again after `retryAfterMillis`; others may be quicker then. */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>()("LimitExceeded", {
  /** Name of the limit in the configuration: `limits.<name>`. */
  limit: Schema.String,
  retryAfterMillis: Schema.Finite,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** NATS cannot be asked, and this limit is closed then. Nothing was used up for certain. */
export class LimitUnknown extends Schema.TaggedError<LimitUnknown>()("LimitUnknown", {
  limit: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** No request can be like this, or no time will come when it is allowed. Nothing was used. */
export class LimitRefused extends Schema.TaggedError<LimitRefused>()("LimitRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** What somebody wants to do. What is not said concerns no limit that asks for it. */
export interface LimitRequest {
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
  readonly tool?: string | undefined;
  /** How many at once; default 1. */
  readonly tokens?: number | undefined;
}

/** A limit that allowed: what is left of it. */
export interface Left {
  readonly limit: string;
  readonly remaining: number;
  /** When all of it is there again, if nobody takes more. */
  readonly resetAfterMillis: number;
}

export interface Allowed {
  readonly limits: ReadonlyArray<Left>;
  /** Open limits that could not be asked. */
  readonly unasked: ReadonlyArray<string>;
}

/** How much of a limit is used at this moment, for one combination of what it counts apart. */
export interface LimitUse {
  readonly limit: string;
  /** Whom and what it is about: values of its `per`, a long one as the beginning of its SHA-256. */
  readonly of: ReadonlyArray<string>;
  readonly used: number;
  readonly most: number;
}

export class Limits extends Context.Service<
  Limits,
  {
    /** Takes from every limit that is concerned, or from none. */
    readonly take: (request: LimitRequest) => Effect.Effect<Allowed, LimitExceeded | LimitUnknown | LimitRefused>;
    /** Who has used how much of what, now: only what is used at all. */
    readonly uses: Effect.Effect<ReadonlyArray<LimitUse>, BucketError>;
  }
>()("recollect/coordination/Limits") {}

/**
 * After a question that nobody answered, the policies decide for this long without asking: while a server hangs, a tool
 * call must not wait for it each time.
 */
const restMillis = 1_000;

/** Longer names of users and tools are counted under their SHA-256: a key has room for five of this size. */
const maxNameBytes = 100;

/** Refusals that a process remembers, to ask those first that refused last. */
const maxRemembered = 10_000;

const dimensions: ReadonlyArray<Dimension> = ["tenant", "user", "tool"];

const short = (name: string): string =>
  fitsUtf8(name, maxNameBytes)
    ? name
    : `sha256-${createHash("sha256").update(name, "utf8").digest("hex").slice(0, 32)}`;

interface Concerned {
  readonly name: string;
  readonly limit: Limit;
  readonly key: string;
}

/** What stands between the names in a key, and in none of them. */
const separator = "\u0000";

const part = (name: string): string => short(name).replaceAll(separator, " ");
const joined = (...names: ReadonlyArray<string>): string => names.map(part).join(separator);

/** Limits of two configurations are two limits, also under one name. */
type Whose = Pick<Configuration["Service"], "tenant" | "scope">;

/** A limit as it is asked: what its keys begin with is the same for everybody. */
interface Asked {
  readonly name: string;
  readonly limit: Limit;
  readonly only: ReadonlyArray<readonly [Dimension, string]>;
  readonly beginning: string;
}

const askedOf = ({ scope, tenant }: Whose, limits: ReadonlyMap<string, Limit>): ReadonlyArray<Asked> =>
  [...limits].map(([name, limit]) => {
    const only = dimensions.flatMap((dimension) => {
      const value = limit.only?.[dimension];
      return value == null ? [] : [[dimension, value] as const];
    });
    return { name, limit, only, beginning: joined(tenant, scope, name) };
  });

/** The limits that a request concerns, each with its key. */
const concernedBy = (limits: ReadonlyArray<Asked>, request: LimitRequest): ReadonlyArray<Concerned> => {
  const concerned: Array<Concerned> = [];
  next: for (const { beginning, limit, name, only } of limits) {
    for (const [dimension, value] of only) if (request[dimension] !== value) continue next;
    let key = beginning;
    for (const dimension of limit.per) {
      const value = request[dimension];
      if (value === undefined) continue next;
      key += separator + part(value);
    }
    concerned.push({ name, limit, key });
  }
  return concerned;
};

/** Why so many can never be taken; undefined when they can. Plain, as what follows: all of it is on a tool call's way. */
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

const exceeded = ({ limit, name }: Concerned, retryAfterMillis: number) =>
  new LimitExceeded({
    limit: name,
    retryAfterMillis: Math.max(1, Math.ceil(retryAfterMillis)),
    message: `The limit ${name} (${limit.limit} in ${limit.windowMillis} ms) is used up.`,
    hint: `Ask again in ${Math.max(1, Math.ceil(retryAfterMillis))} ms.`,
  });

const unknown = ({ name }: Concerned) =>
  new LimitUnknown({
    limit: name,
    message: `NATS cannot be asked, and the limit ${name} is closed then.`,
    hint: `To allow in that case: recollect config set limits.${name} with "whenAway":"open".`,
  });

const waitOf = (refusal: LimitExceeded | LimitUnknown): number =>
  refusal._tag === "LimitExceeded" ? refusal.retryAfterMillis : 0;

/** How much of a limit is used now, from its state; nothing where another program wrote what is none. */
const usedOf = (limit: Limit, text: string, now: number): number => {
  const { limit: most, windowMillis } = limit;
  const asked = { tokens: 0, limit: most };
  try {
    const state = JSON.parse(text);
    return kindOf(limit) === "sliding"
      ? takeSliding(state, now, { ...asked, windowMillis }).answer[0]
      : most - takeBucket(state, now, { ...asked, refillMillis: windowMillis / most, allowOverflow: true }).answer[0];
  } catch {
    return 0;
  }
};

/** What is written down of a limit, read as how much of it is used now. */
const useOf = (
  whose: Whose,
  limits: ReadonlyMap<string, Limit>,
  { key, value }: Entry,
  now: number,
): ReadonlyArray<LimitUse> => {
  const [kind = "", token = ""] = key.split(".");
  const [tenant = "", scope = "", name = "", ...values] = (decodeToken(token) ?? "").split(separator);
  const isTheirs = joined(tenant, scope) === joined(whose.tenant, whose.scope);
  const limit = isTheirs ? limits.get(name) : undefined;
  // Of a limit that is no more, or by an algorithm that it no longer has.
  if (limit === undefined || value === undefined || kind !== kindOf(limit)) return [];
  const used = usedOf(limit, Buffer.from(value).toString("utf8"), now);
  return used > 0 ? [{ limit: name, of: values, used, most: limit.limit }] : [];
};

/** Under which kind of state the store keeps it. */
const kindOf = ({ algorithm }: Limit) => (algorithm === "token-bucket" ? "bucket" : "sliding");

type Taken = { readonly from: Concerned } & (
  | { readonly _tag: "Allows"; readonly remaining: number; readonly resetAfterMillis: number }
  | { readonly _tag: "Refuses"; readonly retryAfterMillis: number }
  | { readonly _tag: "Away" }
);

const make = Effect.gen(function* () {
  const configuration = yield* Configuration;
  const { bucket, sliding, store } = yield* Limiters;
  const limiterOf = (over: RateLimiter.RateLimiterStore["Service"]) =>
    Effect.provideService(RateLimiter.make, RateLimiter.RateLimiterStore, over);
  const bySlidingWindow = yield* limiterOf(sliding);
  const byTokenBucket = yield* limiterOf(store);
  /** Until when a key refuses, as far as this process knows. */
  const refusesUntil = new Map<string, number>();
  let restsUntil = 0;
  let known: { readonly limits: ReadonlyMap<string, Limit>; readonly asked: ReadonlyArray<Asked> } | undefined;

  /** The limits that hold now, made ready to be asked when they changed. */
  const askedNow = Effect.map(configuration.family("limits"), (limits) => {
    if (known?.limits !== limits) known = { limits, asked: askedOf(configuration, limits) };
    return known.asked;
  });

  const consume = ({ key, limit }: Concerned, tokens: number) => {
    const options = { key, tokens, limit: limit.limit, window: Duration.millis(limit.windowMillis) };
    return limit.algorithm === "token-bucket"
      ? byTokenBucket.consume({ ...options, algorithm: "token-bucket" })
      : bySlidingWindow.consume({ ...options, algorithm: "fixed-window" });
  };

  const remember = (key: string, until: number) => {
    // Only which are asked first hangs on it.
    if (refusesUntil.size >= maxRemembered) refusesUntil.clear();
    refusesUntil.set(key, until);
  };

  const takeFrom = Effect.fnUntraced(function* (from: Concerned, tokens: number, now: number): Effect.fn.Return<Taken> {
    if (now < restsUntil) return { from, _tag: "Away" };
    const result = yield* Effect.result(consume(from, tokens));
    if (Result.isSuccess(result)) {
      const { remaining, resetAfter } = result.success;
      return { from, _tag: "Allows", remaining, resetAfterMillis: Duration.toMillis(resetAfter) };
    }
    const { reason } = result.failure;
    if (reason._tag === "RateLimitExceeded") {
      const retryAfterMillis = Duration.toMillis(reason.retryAfter);
      remember(from.key, now + retryAfterMillis);
      return { from, _tag: "Refuses", retryAfterMillis };
    }
    restsUntil = now + restMillis;
    yield* Effect.logWarning(`limits cannot be asked: ${reason.message}`);
    return { from, _tag: "Away" };
  });

  /** Those that refused last are asked first and alone: mostly they refuse again, and nothing has to be given back. */
  const ordered = (concerned: ReadonlyArray<Concerned>, now: number): ReadonlyArray<ReadonlyArray<Concerned>> => {
    if (concerned.length < 2) return [concerned];
    const refuses = concerned.filter(({ key }) => (refusesUntil.get(key) ?? 0) > now);
    const others = concerned.filter((one) => !refuses.includes(one));
    return refuses.length === 0 ? [others] : [refuses, others];
  };

  const take = Effect.fnUntraced(function* (request: LimitRequest) {
    const { tokens = 1 } = request;
    const concerned = concernedBy(yield* askedNow, request);
    const refused = impossible(concerned, tokens);
    if (refused !== undefined) return yield* refused;
    const taken: Array<Taken> = [];
    const now = yield* Clock.currentTimeMillis;
    for (const group of ordered(concerned, now)) {
      const [only] = group;
      // Mostly it is one, and a fiber for it would cost a tenth of a round trip.
      if (only !== undefined && group.length === 1) taken.push(yield* takeFrom(only, tokens, now));
      else
        taken.push(
          ...(yield* Effect.forEach(group, (one) => takeFrom(one, tokens, now), { concurrency: "unbounded" })),
        );
      const refusals = taken.flatMap((one): ReadonlyArray<LimitExceeded | LimitUnknown> => {
        if (one._tag === "Refuses") return [exceeded(one.from, one.retryAfterMillis)];
        return one._tag === "Away" && one.from.limit.whenAway === "closed" ? [unknown(one.from)] : [];
      });
      if (refusals.length === 0) continue;
      const back = taken.filter(({ _tag }) => _tag === "Allows");
      yield* Effect.forEach(back, ({ from }) => Effect.ignore(consume(from, -tokens)), { concurrency: "unbounded" });
      // Whoever waits for the longest of them has waited for all.
      return yield* Effect.fail(refusals.reduce((longest, one) => (waitOf(one) > waitOf(longest) ? one : longest)));
    }
    const allowed: Allowed = {
      limits: taken.flatMap((one) =>
        one._tag === "Allows"
          ? [{ limit: one.from.name, remaining: one.remaining, resetAfterMillis: one.resetAfterMillis }]
          : [],
      ),
      unasked: taken.flatMap((one) => (one._tag === "Away" ? [one.from.name] : [])),
    };
    return allowed;
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
