/**
 * The guard of the stream: finds the one that is meant, at each connect before a byte is written or read, and again
 * while connected. The only place that makes or changes the stream of record.
 *
 * Room: log.
 *
 * Promises: a server with another stream, or without the stream that is known, is refused, with a sentence that says so;
 * a stream is made only where none is known, and changed only for who may bring it in line; what can remove events
 * is named at the next look.
 */
import { randomUUID } from "node:crypto";
import { Effect, Result } from "effect";
import type { LogUnavailable } from "../EventLog.ts";
import type { Asking, Guard, Verdict } from "./LinkNats.ts";
import type { LogCondition } from "./LogCondition.ts";
import type { ApiError } from "./RequestNats.ts";
import { conditionsOf, fatalDifference, firstKey, identityKey, repairsOf, type Settings } from "./StreamConfigNats.ts";
import * as StreamNats from "./StreamNats.ts";

/** A stream that was seen, for whoever remembers it. */
export interface Seen {
  readonly identity: string;
  readonly stream: string;
  /** Epoch milliseconds. */
  readonly created: number;
}

export interface Meant {
  readonly stream?: string | undefined;
  /** Of a stream that is made. Default: 3 on a cluster, 1 on a server that stands alone. */
  readonly replicas?: 1 | 3 | undefined;
  readonly duplicateWindowMillis?: number | undefined;
  /**
   * Expected identity; undefined while the stream was never seen, a condition where it cannot be known: then no stream is
   * believed. Asked anew at each look.
   */
  readonly identity: Effect.Effect<string | LogCondition | undefined>;
  /** The last sequence that was ever seen of it, as far as that is written down. Default: none. */
  readonly reached?: Effect.Effect<number> | undefined;
  /** Writes down how far it reaches. Default: nowhere. */
  readonly noteReached?: ((sequence: number, seen: Seen) => Effect.Effect<void>) | undefined;
  /** Keeps what was seen, so that it is expected from now on. */
  readonly remember: (seen: Seen) => Effect.Effect<void>;
  /** `check` changes nothing. `bringInLine` sets flags, gives an identity, and makes a stream where `missing` lets it. */
  readonly may: "check" | "bringInLine";
  /** Condition of a server without the stream; undefined: none is known that held something. */
  readonly missing: Effect.Effect<LogCondition | undefined>;
  /** The server is ours alone: limits on the stream are taken back. */
  readonly isOwn?: boolean | undefined;
}

export interface StreamGuard extends Guard {
  readonly stream: string;
  /** As of the last look that admitted the stream; undefined before the first. */
  readonly facts: () => StreamNats.StreamFacts | undefined;
  readonly learnt: (facts: StreamNats.StreamFacts) => void;
  /** The last sequence that was ever seen, by this process or as it is written down. */
  readonly reached: () => number;
}

/** An election takes 4 to 9 s. A first look waits for one, later ones come again by themselves. */
const firstPatienceMillis = 15_000;

const admitted: Verdict = { _tag: "Admitted" };

const refuse = (name: LogCondition["name"], message: string, hint: string): Verdict => ({
  _tag: "Refused",
  condition: { name, message, hint, refusesAppends: true },
});

export const nobodyMadeIt = (stream: string): LogCondition => ({
  name: "streamMissing",
  message: `The server has no stream ${stream}.`,
  hint: "Make it with `recollect up`, on a server of somebody else's with --nats-url.",
  refusesAppends: true,
});

/** For a stream that was there a moment ago. */
export const gone = (stream: string): LogCondition => ({
  name: "streamMissing",
  message: `The server has no stream ${stream} any more: it was deleted, or the server could not load it.`,
  hint: "Nothing makes an empty one in its place. recollect heal makes it again from the ledger; it says first what it would do.",
  refusesAppends: true,
});

/** For a file of known streams that cannot be read. */
export const unknowable = (path: string, why: string): LogCondition => ({
  name: "strangeStream",
  message: `Which stream is known at this address cannot be read from ${path} (${why}), so no server there is believed.`,
  hint: "Put the file back from a copy; or make sure which server this is and remove the file: the stream found then is remembered.",
  refusesAppends: true,
});

const strange = (stream: string, expected: string, found: string | undefined): Verdict =>
  refuse(
    "strangeStream",
    `The server has another stream ${stream} (identity ${found ?? "none"}) than the one that is known here (${expected}).`,
    "Nothing is written to it. Find out which server this is; publishing goes on in the spool until the right one is back.",
  );

const notPermitted = (stream: string, denied: string): Verdict => ({
  _tag: "Refused",
  condition: {
    name: "notPermitted",
    message: `The server does not let this user ${denied}: which stream ${stream} it has cannot be known.`,
    hint: "Whoever runs the server gives rights: recollect access add NAME --role ROLE, or its own configuration.",
    denied,
    refusesAppends: true,
  },
});

/** 10005: no suitable peers for placement; 10074: more than one copy without a cluster. */
const isTooFewServers = ({ err_code }: ApiError): boolean => err_code === 10_005 || err_code === 10_074;

const refusedBy = (stream: string, error: ApiError): Verdict =>
  isTooFewServers(error)
    ? refuse(
        "streamUnusable",
        `The stream ${stream} is to be kept in three copies, and the cluster has not three servers for them: ${error.description} (${error.err_code}).`,
        "Start the missing servers. To do with one copy, make the stream yourself first: its copies stay as they are.",
      )
    : refuse(
        "streamUnusable",
        `The server does not let the stream ${stream} be what it must be: ${error.description} (${error.err_code}).`,
        "The user needs $JS.API.STREAM.CREATE and UPDATE once, and the account needs room for it.",
      );

export const make = (meant: Meant): StreamGuard => {
  const stream = meant.stream ?? StreamNats.defaultStream;
  const isOwn = meant.isOwn === true;
  let facts: StreamNats.StreamFacts | undefined;
  /** As of the last look alone: what is learnt in between may be of another stream. */
  let admittedAs: StreamNats.StreamFacts | undefined;
  let conditions: ReadonlyArray<LogCondition> = [];
  let reached = 0;
  let isInLine = meant.may === "check";

  const settingsOf = ({ nc }: Asking): Settings => ({
    name: stream,
    replicas: meant.replicas ?? (nc.info?.cluster === undefined ? 1 : 3),
    duplicateWindowMillis: meant.duplicateWindowMillis ?? StreamNats.defaultDuplicateWindowMillis,
  });

  const create = Effect.fnUntraced(function* (asking: Asking): Effect.fn.Return<Verdict, LogUnavailable> {
    const missing = yield* meant.missing;
    if (missing !== undefined) return { _tag: "Refused", condition: missing };
    if (meant.may === "check") return { _tag: "Refused", condition: nobodyMadeIt(stream) };
    const made = yield* StreamNats.create(asking, settingsOf(asking), randomUUID());
    if (!("_tag" in made)) return yield* admit(asking, made, undefined);
    // 10058: another process made it at the same moment, differently.
    const other =
      made.error.err_code === 10_058 ? yield* StreamNats.find(asking, { stream, patienceMillis: 0 }) : undefined;
    return other === undefined ? refusedBy(stream, made.error) : yield* judge(asking, other);
  });

  /** Fields to change, with the identity where there is none. */
  const bringInLine = Effect.fnUntraced(function* (asking: Asking, found: StreamNats.Found, identity: string) {
    const repairs = repairsOf(found.config, settingsOf(asking), isOwn);
    const first = found.config.metadata?.[firstKey] ?? (isOwn ? "1" : String(found.facts.firstSequence || 1));
    const isNamed = found.identity === identity && found.config.metadata?.[firstKey] === first;
    const named = isNamed ? {} : { metadata: { ...found.config.metadata, [identityKey]: identity, [firstKey]: first } };
    const fields = { ...repairs, ...named };
    if (Object.keys(fields).length === 0) return found;
    yield* Effect.logInfo(`bringing the stream ${stream} in line: ${Object.keys(fields).join(", ")}`);
    return yield* StreamNats.update(asking, found.config, fields);
  });

  const admit = Effect.fnUntraced(function* (asking: Asking, found: StreamNats.Found, expected: string | undefined) {
    facts = found.facts;
    admittedAs = found.facts;
    const noted = meant.reached === undefined ? 0 : yield* meant.reached;
    const { created, lastSequence } = found.facts;
    reached = Math.max(reached, noted, lastSequence);
    const options = { settings: settingsOf(asking), isOwn, reached };
    conditions = conditionsOf(found.config, found.facts, options);
    if (found.identity === undefined) return admitted;
    const seen = { identity: found.identity, stream, created };
    if (found.identity !== expected) yield* meant.remember(seen);
    if (lastSequence > noted && meant.noteReached !== undefined) yield* meant.noteReached(lastSequence, seen);
    return admitted;
  });

  /** True for the very stream that was admitted before, on a server of ours alone: only its metadata was changed since. */
  const isAdmitted = ({ facts: found }: StreamNats.Found): boolean =>
    isOwn &&
    meant.may === "bringInLine" &&
    admittedAs?.created === found.created &&
    found.lastSequence >= admittedAs.lastSequence;

  /** A stream that is there: the one that is known, or the first that is seen. */
  const judge = Effect.fnUntraced(function* (
    asking: Asking,
    found: StreamNats.Found,
  ): Effect.fn.Return<Verdict, LogUnavailable> {
    const expected = yield* meant.identity;
    if (typeof expected === "object") return { _tag: "Refused", condition: expected };
    const { identity } = found;
    if (expected !== undefined && identity !== expected && isAdmitted(found)) {
      yield* Effect.logWarning(
        `The identity of the stream ${stream} was changed in its metadata (to ${identity ?? "none"}): it is put back.`,
      );
      const named = yield* bringInLine(asking, found, expected);
      return "_tag" in named ? refusedBy(stream, named.error) : yield* admit(asking, named, expected);
    }
    if (identity !== undefined && expected !== undefined && identity !== expected)
      return strange(stream, expected, identity);
    const fatal = fatalDifference(found.config);
    if (fatal !== undefined) {
      return refuse(
        "streamUnusable",
        `The stream ${stream} cannot hold events: ${fatal}.`,
        "Rename or remove that stream, or give another name with the option `stream`.",
      );
    }
    if (identity === undefined && expected !== undefined && !(isOwn && meant.may === "bringInLine"))
      return strange(stream, expected, identity);
    if (isInLine) return yield* admit(asking, found, expected);
    const inLine = yield* bringInLine(asking, found, identity ?? expected ?? randomUUID());
    if ("_tag" in inLine) return refusedBy(stream, inLine.error);
    isInLine = true;
    return yield* admit(asking, inLine, expected);
  });

  const look = Effect.fnUntraced(function* (asking: Asking) {
    const patienceMillis = facts === undefined ? firstPatienceMillis : 0;
    const found = yield* StreamNats.find(asking, { stream, patienceMillis });
    return yield* found === undefined ? create(asking) : judge(asking, found);
  });

  return {
    stream,
    look: (asking) =>
      Effect.map(Effect.result(look(asking)), (looked) => {
        if (Result.isSuccess(looked)) return looked.success;
        const { denied, reason } = looked.failure;
        return denied === undefined ? ({ _tag: "Unsure", reason } satisfies Verdict) : notPermitted(stream, denied);
      }),
    conditions: () => conditions,
    facts: () => facts,
    learnt: (now) => {
      facts = now;
      reached = Math.max(reached, now.lastSequence);
    },
    reached: () => reached,
  };
};

/** For tools and tests that begin with an empty server: the stream is made, and not remembered. */
export const withoutMemory = (
  options: Pick<Meant, "stream" | "replicas" | "duplicateWindowMillis"> = {},
): StreamGuard => {
  let known: string | undefined;
  return make({
    ...options,
    may: "bringInLine",
    identity: Effect.sync(() => known),
    remember: ({ identity }) =>
      Effect.sync(() => {
        known = identity;
      }),
    missing: Effect.sync(() =>
      known === undefined ? undefined : { ...nobodyMadeIt(options.stream ?? StreamNats.defaultStream) },
    ),
  });
};
