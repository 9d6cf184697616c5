/**
 * Verifying: the stream against the ledger, and every table against a fresh fold of the stream.
 *
 * Room: projection.
 *
 * Everything is compared up to the ledger's checkpoint at the beginning: the database is read in one snapshot, so a
 * running projector and new events change nothing. The snapshot keeps the write-ahead log from shrinking meanwhile.
 * The fresh fold needs as much disk as the database without its full-text index; its file is removed afterwards.
 */
import { Clock, Effect } from "effect";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { EventLog, type LogDamaged, type LogInfo, type LogUnavailable } from "../../log/EventLog.ts";
import { entriesUpTo, isLost, lostEntry } from "../fold/CatchUp.ts";
import * as ProjectorCondition from "../ProjectorCondition.ts";
import * as Generations from "../rebuild/Generations.ts";
import { incomingOfAll } from "../fold/LargeEntries.ts";
import { attemptOn } from "../rebuild/LedgerFileSqlite.ts";
import type { Projection } from "../Projection.ts";
import * as Pipeline from "../fold/Pipeline.ts";
import type { StorageTrouble, TableDigest } from "../ReadModel.ts";
import * as ReadModelSqlite from "../ReadModelSqlite.ts";
import { openSnapshot, type Snapshot } from "./VerifySqlite.ts";

export interface Difference {
  readonly sequence: Sequence;
  /** `stream`: the stream lost what the ledger has. `ledger`: the other way round. `both`: neither has it. `content`: they disagree. */
  readonly kind: "stream" | "ledger" | "both" | "content";
  readonly message: string;
}

export interface TableResult {
  readonly name: string;
  readonly rows: number;
  readonly digest: string;
  /** The digest that a fresh fold of the stream gives. */
  readonly expected: string;
}

export interface Verified {
  /** True when nothing differs: stream, ledger and read models say the same. */
  readonly ok: boolean;
  /** What was compared: everything up to this sequence. */
  readonly upTo: Sequence;
  readonly stream: {
    readonly firstSequence: Sequence;
    readonly lastSequence: Sequence;
    readonly messages: number;
    readonly created: number;
  };
  readonly ledger: { readonly firstSequence: Sequence; readonly lastSequence: Sequence; readonly rows: number };
  /** The condition that the projector would name, where there is one. */
  readonly condition?: ProjectorCondition.Condition | undefined;
  /** How many sequences differ; the first `mostDifferences` are listed. */
  readonly differing: number;
  readonly differences: ReadonlyArray<Difference>;
  readonly tables: ReadonlyArray<TableResult>;
}

/** Most differences listed: a stream made anew differs everywhere. */
export const mostDifferences = 1000;

/** An entry as one string: attributes in a fixed order, the body in base64. Equal strings, equal entries. */
const spell = (entry: LogEntry): string => {
  const body = Buffer.from(entry.body.buffer, entry.body.byteOffset, entry.body.byteLength).toString("base64");
  const sorted = (map: Readonly<Record<string, string>> | undefined) =>
    Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (isMisfit(entry))
    return JSON.stringify(["misfit", entry.recordedAt, entry.subject, entry.problem, sorted(entry.headers), body]);
  const { history, id, type, schemaVersion, source, actor, session, correlationId, causationId, traceparent } = entry;
  return JSON.stringify([
    [history.tenant, history.kind, history.id, id, type, schemaVersion, source, actor, session],
    [correlationId, causationId, traceparent, entry.occurredAt, entry.recordedAt, sorted(entry.extensions), body],
  ]);
};

const nameOf = (entry: LogEntry): string =>
  isMisfit(entry) ? `a misfit (${entry.problem})` : `${entry.type} ${entry.id}`;

/** What the two copies of one sequence say of each other; undefined when they agree. */
const compare = (
  sequence: Sequence,
  stream: LogEntry | undefined,
  ledger: LogEntry | undefined,
): Difference | undefined => {
  const inStream = stream !== undefined && !isLost(stream);
  const inLedger = ledger !== undefined && !isLost(ledger);
  if (inStream && inLedger) {
    if (spell(stream) === spell(ledger)) return undefined;
    return {
      sequence,
      kind: "content",
      message: `the stream holds ${nameOf(stream)}, the ledger ${nameOf(ledger)}, and they are not the same`,
    };
  }
  if (inLedger)
    return { sequence, kind: "stream", message: `the stream has lost ${nameOf(ledger)}, which the ledger still has` };
  if (inStream) return { sequence, kind: "ledger", message: `the ledger lacks ${nameOf(stream)}` };
  return { sequence, kind: "both", message: "neither the stream nor the ledger has it" };
};

interface Comparison {
  readonly differences: Array<Difference>;
  differing: number;
}

const note = (comparison: Comparison, difference: Difference | undefined) => {
  if (difference === undefined) return;
  comparison.differing += 1;
  if (comparison.differences.length < mostDifferences) comparison.differences.push(difference);
};

interface Work {
  readonly snapshot: Snapshot;
  readonly fresh: Pipeline.Pipeline;
  readonly info: LogInfo;
  readonly comparison: Comparison;
  readonly onProgress: (sequence: Sequence) => Effect.Effect<void>;
}

/** Compares a piece of the stream with the ledger, and folds it afresh. */
const compareBatch = Effect.fnUntraced(function* (
  work: Work,
  entries: ReadonlyArray<LogEntry>,
): Effect.fn.Return<void, StorageTrouble | LogUnavailable, EventLog> {
  const first = entries[0]?.sequence ?? 0;
  const last = entries.at(-1)?.sequence ?? 0;
  const ledger = new Map((yield* work.snapshot.between(first, last)).map((entry) => [entry.sequence, entry]));
  for (const entry of entries) note(work.comparison, compare(entry.sequence, entry, ledger.get(entry.sequence)));
  const incoming = yield* incomingOfAll(entries);
  const now = yield* Clock.currentTimeMillis;
  yield* work.fresh.put({ incoming, streamCreated: work.info.created, now });
  yield* work.onProgress(last);
  yield* Effect.yieldNow;
});

/** What the ledger has beyond the end of the stream. */
const compareRest = Effect.fnUntraced(function* (work: Work, from: Sequence, to: Sequence) {
  const step = 1000;
  for (let at = from; at <= to; at += step) {
    const entries = new Map(
      (yield* work.snapshot.between(at, Math.min(to, at + step - 1))).map((entry) => [entry.sequence, entry]),
    );
    for (let sequence = at; sequence <= Math.min(to, at + step - 1); sequence++) {
      note(work.comparison, compare(sequence, undefined, entries.get(sequence)));
    }
  }
});

const tablesOf = (live: ReadonlyArray<TableDigest>, fresh: ReadonlyArray<TableDigest>): ReadonlyArray<TableResult> =>
  live.map(({ name, rows, digest }) => ({
    name,
    rows,
    digest,
    expected: fresh.find((table) => table.name === name)?.digest ?? "missing",
  }));

/** A file of its own for the fresh fold, removed with the scope, and by the next verification if this one is killed. */
const openFresh = Effect.fnUntraced(function* (path: string, projections: ReadonlyArray<Projection>) {
  const file = `${path}.verify-${process.pid}`;
  yield* Effect.acquireRelease(
    attemptOn(path, () => Generations.removeStale(path, "verify")),
    () => Effect.sync(() => Generations.remove(file)),
  );
  return yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections, durability: "scratch", indexes: "none" }),
    (model) => model.close,
  );
});

const run = Effect.fnUntraced(function* (options: Options) {
  const { path, projections } = options;
  const log = yield* EventLog;
  const snapshot = yield* openSnapshot(path, projections);
  const { info, condition } = yield* ProjectorCondition.identify(snapshot.checkpoint);
  const fresh = yield* openFresh(path, projections);
  const upTo = snapshot.checkpoint.sequence;
  const inStream = Math.min(upTo, info.lastSequence);
  const comparison: Comparison = { differences: [], differing: 0 };
  const work: Work = {
    snapshot,
    fresh: yield* Pipeline.make(fresh),
    info,
    comparison,
    onProgress: (sequence) => options.onProgress?.({ sequence, head: upTo }) ?? Effect.void,
  };
  yield* entriesUpTo({ after: 0, until: inStream, lost: lostEntry, use: (entries) => compareBatch(work, entries) });
  yield* work.fresh.done;
  yield* compareRest(work, inStream + 1, upTo);
  const tables = tablesOf(yield* snapshot.digests, yield* fresh.digests);
  const reach = yield* snapshot.reach;
  const { created, firstSequence, lastSequence, messages } = yield* log.info;
  return {
    ok:
      comparison.differing === 0 &&
      condition?.stopped !== true &&
      tables.every(({ digest, expected }) => digest === expected),
    upTo,
    stream: { firstSequence, lastSequence, messages, created },
    ledger: { firstSequence: reach.first, lastSequence: reach.last, rows: reach.rows },
    ...(condition === undefined ? {} : { condition }),
    differing: comparison.differing,
    differences: comparison.differences,
    tables,
  } satisfies Verified as Verified;
});

export interface Options {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly onProgress?: (progress: { readonly sequence: Sequence; readonly head: Sequence }) => Effect.Effect<void>;
}

/** Compares everything, changes nothing. */
export const verify = (
  options: Options,
): Effect.Effect<Verified, StorageTrouble | LogUnavailable | LogDamaged, EventLog> =>
  Effect.scoped(run(options)).pipe(Effect.withSpan("projection.verify"));
