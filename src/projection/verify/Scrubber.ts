/**
 * The scrubber: reads the whole stream and the ledger again and again, slowly, and compares them by their digests.
 *
 * Room: projection.
 *
 * Promises: at most 2 % of a core; bit rot in either copy is found in one pass, without anybody asking; a restart goes on
 * where it was; what it finds is in `status`, with its place. Damage that costs nothing to mend is mended: rows of the
 * ledger and read models are made anew from the stream by a rebuild, which itself refuses where an event would be lost.
 *
 * Decision: each slice of work is measured whole, by the clock and by the processor's time of all threads of the process, and the
 * rest after it is 69 times the longer of the two, so that it keeps to 2 % of a core, and a busy machine or a slow disk
 * is given more rest. 69 and not 49, because V8 collects and compiles after a slice, in threads of its own: a third of it where
 * nothing else runs (`bench/rows/scrub.ts`: 2.38 % with 54). 1,000 events take 100 to 130 ms, so that a million take two and a
 * half hours. On a machine that is so busy that a pass would take longer than 20 hours it rests less, and never less than
 * 69 times the processor's time.
 */
import { Cause, Clock, Context, Effect, Exit, Layer, Schedule, Scope, SubscriptionRef } from "effect";
import { statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import type { LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import * as Ranges from "../../domain/SequenceRanges.ts";
import type { SequenceRange } from "../../domain/StoreEvents.ts";
import { hex } from "../../log/Digest.ts";
import { EventLog, LogUnavailable } from "../../log/EventLog.ts";
import { entriesUpTo, lostEntry } from "../fold/CatchUp.ts";
import type { Projection } from "../Projection.ts";
import * as Generations from "../rebuild/Generations.ts";
import { isOutdatedFile } from "../ReadModelSqlite.ts";
import { openLedger } from "../rebuild/LedgerFileSqlite.ts";
import { rebuild } from "../rebuild/Rebuild.ts";
import { compare, type DifferenceKind, differenceKinds } from "./Compare.ts";
import { makingOf } from "../ShapeSqlite.ts";
import type { Fault } from "./DatabaseCheckSqlite.ts";
import type { FileCheck } from "./FileCheckThreadSqlite.ts";
import * as State from "./ScrubState.ts";
import { chainIn } from "./VerifySqlite.ts";
import type { Ledger } from "./LedgerSqlite.ts";
import * as Witness from "./Witness.ts";

/**
 * Events of a slice. Opening the ledger, as each slice did, and a consumer took 25 to 40 ms of processor, as much as comparing
 * some 800 events: with 200 in a slice it was two thirds of all.
 */
const sliceEvents = 1_000;
/** Events compared before others have their turn in this process. */
const turnEvents = 100;
/** Of a core, as a slice is measured: 2 % with what comes after it. */
const share = 1 / 70;
/** Longest time for a pass: what rots is found within a day. */
const mostPassMillis = 20 * 3_600_000;
/** Between two passes: a small store is not read all the time. */
const betweenPassesMillis = 3_600_000;
/** The full-text check needs the write lock, so it is done about once a day. */
const fullTextEveryMillis = 20 * 3_600_000;
/** The witness is written this often at most, and only when there is something new. */
const witnessEveryMillis = 10_000;
/** A stream that gives nothing for so long is looked at again later. */
const patienceMillis = 60_000;
/** After trouble with log or file. */
const troubleMillis = 30_000;
/** After a pass over an empty store, so that the first import is compared soon. */
const emptyMillis = 60_000;

export interface Options {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  /** A file outside of the data folder, or a bucket of another server. */
  readonly witness?: string | undefined;
  /** Tests ask for another pace. */
  readonly pace?: { readonly share?: number; readonly betweenPassesMillis?: number; readonly witnessMillis?: number };
}

export class Scrubber extends Context.Service<
  Scrubber,
  {
    readonly state: Effect.Effect<State.ScrubState>;
  }
>()("recollect/projection/Scrubber") {}

interface Running {
  readonly options: Options;
  readonly log: EventLog["Service"];
  readonly state: SubscriptionRef.SubscriptionRef<State.ScrubState>;
}

const now = Clock.currentTimeMillis;

const update = Effect.fnUntraced(function* (running: Running, change: Partial<State.ScrubState>) {
  const next = { ...(yield* SubscriptionRef.get(running.state)), ...change };
  yield* SubscriptionRef.set(running.state, next);
  // A folder that takes no file: it is done again after a restart.
  yield* Effect.ignore(Effect.try(() => State.writeSync(running.options.path, next)));
});

/** One finding of a kind, with the places of both. */
const merged = (findings: ReadonlyArray<State.Finding>, found: State.Finding): ReadonlyArray<State.Finding> => {
  const same = findings.find(
    ({ kind, message }) => kind === found.kind && (kind !== "database" || message === found.message),
  );
  if (same === undefined) return [...findings, found];
  const both = { ...same, ranges: Ranges.union(same.ranges, found.ranges) };
  return findings.map((one) => (one === same ? both : one));
};

/** Into this pass's findings, and at once into what `status` shows. */
const note = Effect.fnUntraced(function* (running: Running, found: Omit<State.Finding, "at">) {
  const before = yield* SubscriptionRef.get(running.state);
  const finding = { ...found, at: yield* now };
  const isNew = !before.findings.some(({ kind }) => kind === found.kind);
  if (isNew) yield* Effect.logWarning(`scrubber: ${found.message} (${found.kind} ${Ranges.text(found.ranges)})`);
  yield* update(running, { findings: merged(before.findings, finding), pending: merged(before.pending, finding) });
});

/** The ledger, opened anew: a rebuild may have replaced the file. */
const ledgerAt = Effect.fnUntraced(function* (path: string) {
  const file = Generations.current(path);
  return file === undefined ? undefined : yield* openLedger(file);
});

/** The ledger in the file as it is now; undefined when there is none to read. */
type LedgerNow = Effect.Effect<Ledger | undefined>;

/**
 * The ledger of a pass, until the scope closes: opened once, and again when its file was replaced.
 *
 * Decision: not for each slice, because the first statement of a connection reads the whole schema: 16 to 23 ms of processor in
 * one go, for which every request of the daemon waits.
 */
const ledgerOfPass = Effect.fnUntraced(function* (path: string) {
  const scope = yield* Effect.scope;
  let kept: { readonly key: string; readonly ledger: Ledger; readonly scope: Scope.Closeable } | undefined;
  return Effect.gen(function* () {
    const file = Generations.current(path);
    const key = file === undefined ? "" : `${file} ${statSync(file, { throwIfNoEntry: false })?.ino}`;
    if (kept?.key === key) return kept.ledger;
    if (kept !== undefined) yield* Scope.close(kept.scope, Exit.void);
    kept = undefined;
    const own = yield* Scope.fork(scope);
    const ledger = yield* Scope.provide(ledgerAt(path), own);
    if (ledger === undefined) yield* Scope.close(own, Exit.void);
    else kept = { key, ledger, scope: own };
    return ledger;
  }) satisfies LedgerNow;
});

/** The comparison of some events. */
const compareEvents = Effect.fnUntraced(function* (
  running: Running,
  { after, ledger, until }: { readonly ledger: Ledger; readonly after: Sequence; readonly until: Sequence },
) {
  const found = new Map<DifferenceKind, { readonly message: string; readonly ranges: Array<SequenceRange> }>();
  const compareTurn = (entries: ReadonlyArray<LogEntry>) => {
    const first = entries[0]?.sequence ?? 0;
    const last = entries.at(-1)?.sequence ?? 0;
    const rows = new Map(ledger.between(first, last).map((entry) => [entry.sequence, entry]));
    for (const entry of entries) {
      const difference = compare(entry.sequence, entry, rows.get(entry.sequence));
      if (difference === undefined) continue;
      const known = found.get(difference.kind) ?? { message: difference.message, ranges: [] };
      Ranges.add(known.ranges, entry.sequence);
      found.set(difference.kind, known);
    }
  };
  const use = Effect.fnUntraced(function* (entries: ReadonlyArray<LogEntry>) {
    for (let at = 0; at < entries.length; at += turnEvents) {
      compareTurn(entries.slice(at, at + turnEvents));
      yield* Effect.yieldNow;
    }
  });
  yield* entriesUpTo({ after, until, lost: lostEntry, use }).pipe(
    Effect.timeoutOrElse({
      duration: patienceMillis,
      orElse: () => Effect.fail(new LogUnavailable({ reason: "the stream gives nothing" })),
    }),
  );
  const accepted = ledger.accepted();
  for (const kind of differenceKinds) {
    const one = found.get(kind);
    if (one === undefined) continue;
    const ranges = kind === "both" ? one.ranges.filter(({ first }) => !Ranges.has(accepted, first)) : one.ranges;
    if (ranges.length > 0) yield* note(running, { kind, message: one.message, ranges });
  }
});

/** The thread's program, as it lies beside this file: TypeScript in the repository, JavaScript in the package. */
const program = new URL(
  `./FileCheckThreadSqlite${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`,
  import.meta.url,
);

const inThread = (check: FileCheck): Effect.Effect<ReadonlyArray<Fault>> =>
  Effect.callback((resume) => {
    const worker = new Worker(program, { workerData: check, name: "recollect-scrubber" });
    worker.unref();
    worker.once("message", (faults: ReadonlyArray<Fault>) => resume(Effect.succeed(faults)));
    // A thread that fails has said nothing of the file: only what SQLite finds in it is a fault.
    worker.once("error", (error) =>
      resume(Effect.as(Effect.logWarning(`scrubber: the file could not be looked at: ${String(error)}`), [])),
    );
    return Effect.promise(() => worker.terminate());
  });

/** The file as a whole, once a pass. */
const checkFile = Effect.fnUntraced(function* (running: Running) {
  const { path, projections } = running.options;
  const file = Generations.current(path);
  // The projector makes it anew, and says that it does.
  if (file === undefined || isOutdatedFile(file, projections)) return;
  const { fullTextAt } = yield* SubscriptionRef.get(running.state);
  const at = yield* now;
  // A check of the future was made before the clock was set back.
  const isDue = at - fullTextAt >= fullTextEveryMillis || at < fullTextAt;
  const indexed = projections.flatMap(({ tables }) => tables.filter(({ fullText }) => fullText !== undefined));
  const faults = yield* inThread({
    file,
    making: makingOf({ projections, indexes: "all" }),
    checkpoints: projections.map(({ doc, name, version }) => ({ doc, name, version })),
    fullText: isDue ? indexed.map(({ name }) => name) : [],
  });
  if (isDue) yield* update(running, { fullTextAt: at });
  for (const { message, what } of faults.slice(0, 20))
    yield* note(running, { kind: "database", ranges: [], message: `${what}: ${message}` });
});

/** Ledger rows and read models are made anew; a rebuild refuses where that would lose something. */
const mend = Effect.fnUntraced(function* (running: Running) {
  const { path, projections } = running.options;
  const { mended, pending } = yield* SubscriptionRef.get(running.state);
  if (!pending.some(({ kind }) => kind === "ledger" || kind === "database")) return;
  yield* Effect.logWarning("scrubber: the read models are made anew from stream and ledger");
  const done = yield* Effect.result(rebuild({ path, projections }));
  if (done._tag === "Failure") return yield* Effect.logWarning(`scrubber: not mended: ${done.failure.message}`);
  const left = pending.filter(({ kind }) => kind !== "ledger" && kind !== "database");
  yield* update(running, { pending: left, mended: mended + 1 });
});

/** Cost of a slice of work, milliseconds: by the clock, and of the processor by all threads of this process. */
export interface Taken {
  readonly clock: number;
  readonly processor: number;
}

/** Since it was asked for. Work of other parts of the process meanwhile counts as well, and makes the rest longer. */
const measure = (): (() => Taken) => {
  const [began, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { system, user } = process.cpuUsage(before);
    return { clock: performance.now() - began, processor: (user + system) / 1000 };
  };
};

/** Rest after a slice, milliseconds. `mostMillis`: longest rest that the processor's time does not ask for. */
export const restAfter = (slice: {
  readonly taken: Taken;
  readonly share: number;
  readonly mostMillis?: number;
}): number => {
  const { mostMillis = Infinity, share: part, taken } = slice;
  const owed = taken.processor / part - taken.clock;
  return Math.max(0, owed, Math.min(Math.max(taken.clock, taken.processor) / part - taken.clock, mostMillis));
};

/** Longest rest after so many events of a pass, so that it ends in time. */
export const restInTime = (events: number, head: number): number => (mostPassMillis * events) / Math.max(head, 1);

/** The next events; answers how far it came, undefined when there is none left. */
const compareNext = Effect.fnUntraced(function* (running: Running, ledgerNow: LedgerNow, after: Sequence) {
  const { lastSequence } = yield* running.log.info;
  const ledger = yield* ledgerNow;
  const head = Math.min(lastSequence, ledger?.checkpoint().sequence ?? 0);
  if (ledger === undefined || after >= head) return undefined;
  const until = Math.min(head, after + sliceEvents);
  yield* compareEvents(running, { ledger, after, until });
  return { head, until };
});

/** One slice; false when there is none left. */
const slice = Effect.fnUntraced(function* (running: Running, ledgerNow: LedgerNow) {
  const taken = measure();
  const { sequence } = yield* SubscriptionRef.get(running.state);
  const compared = yield* compareNext(running, ledgerNow, sequence);
  if (compared === undefined) return false;
  const { head, until } = compared;
  yield* update(running, { sequence: until, head, at: yield* now });
  const mostMillis = restInTime(until - sequence, head);
  yield* Effect.sleep(restAfter({ taken: taken(), share: running.options.pace?.share ?? share, mostMillis }));
  return true;
});

/** Returns the rest that it owes for its end, milliseconds: the file is looked at in one go; and whether there was nothing to compare. */
const pass = Effect.fnUntraced(function* (running: Running) {
  yield* Effect.scoped(
    Effect.gen(function* () {
      const ledgerNow = yield* ledgerOfPass(running.options.path);
      while (yield* slice(running, ledgerNow));
    }),
  );
  const taken = measure();
  yield* checkFile(running);
  yield* mend(running);
  const { passes, pending, sequence } = yield* SubscriptionRef.get(running.state);
  const at = yield* now;
  // A pass over an empty store has compared nothing, and is none.
  const counted = sequence === 0 ? {} : { passes: passes + 1, finishedAt: at };
  yield* update(running, { findings: pending, pending: [], ...counted, at });
  const owed = restAfter({ taken: taken(), share: running.options.pace?.share ?? share });
  return { owed, isEmpty: sequence === 0 };
});

const headOf = Effect.fnUntraced(function* (path: string, at: Sequence | undefined) {
  const ledger = yield* ledgerAt(path);
  if (ledger === undefined) return undefined;
  const { chain, sequence } = ledger.checkpoint();
  const asked = at !== undefined && at <= sequence ? hex(chainIn(ledger, at)) : undefined;
  return { sequence, chain: hex(chain), asked };
}, Effect.scoped);

/** Compares with the witness, and brings it up to date while it agrees. */
const attest = Effect.fnUntraced(function* (running: Running, witness: Witness.Witness) {
  const seen = yield* witness.read;
  if (seen === "none") {
    const message = `The witness ${witness.name} cannot be read, or is no witness: it is left as it is, and nothing is written there.`;
    return yield* note(running, { kind: "witness", ranges: [], message });
  }
  const head = yield* headOf(running.options.path, seen?.sequence);
  const { lastSequence } = yield* running.log.info;
  if (head === undefined) return;
  const wrong = seen === undefined ? undefined : Witness.disagreement({ seen, lastSequence, chainAt: head.asked });
  const { findings, pending } = yield* SubscriptionRef.get(running.state);
  if (wrong !== undefined) return yield* note(running, { kind: "witness", ranges: [], message: wrong });
  if (findings.some(({ kind }) => kind === "witness"))
    yield* update(running, {
      findings: findings.filter(({ kind }) => kind !== "witness"),
      pending: pending.filter(({ kind }) => kind !== "witness"),
    });
  if (seen !== undefined && seen.sequence >= head.sequence) return;
  const isWritten = yield* witness.write({ sequence: head.sequence, chain: head.chain, at: yield* now });
  if (!isWritten) yield* Effect.logWarning(`scrubber: the witness ${witness.name} cannot be written`);
});

const scrubForEver = Effect.fnUntraced(function* (running: Running) {
  const { betweenPassesMillis: pause = betweenPassesMillis } = running.options.pace ?? {};
  for (;;) {
    const done = yield* Effect.exit(pass(running));
    if (done._tag === "Failure") {
      yield* Effect.logDebug("scrubber: it goes on later", done.cause);
      // A file that cannot be read may be what is in the way, and it can be made anew from the stream.
      if (Cause.hasDies(done.cause)) yield* Effect.exit(Effect.andThen(checkFile(running), mend(running)));
      yield* Effect.sleep(troubleMillis);
      continue;
    }
    const { isEmpty, owed } = done.value;
    yield* Effect.sleep(Math.max(isEmpty ? Math.min(pause, emptyMillis) : pause, owed));
    yield* update(running, { sequence: 0 });
  }
});

export const make = Effect.fnUntraced(function* (options: Options) {
  const log = yield* EventLog;
  const state = yield* SubscriptionRef.make(yield* Effect.sync(() => State.readSync(options.path)));
  const running: Running = { options, log, state };
  yield* Effect.forkScoped(scrubForEver(running));
  if (options.witness !== undefined) {
    const every = Schedule.spaced(options.pace?.witnessMillis ?? witnessEveryMillis);
    const witness = yield* Witness.at(options.witness);
    yield* Effect.forkScoped(Effect.repeat(Effect.ignore(attest(running, witness)), every));
  }
  return Scrubber.of({ state: SubscriptionRef.get(state) });
});

export const layer = (options: Options) => Layer.effect(Scrubber, make(options));
