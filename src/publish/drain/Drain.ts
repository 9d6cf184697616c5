/**
 * From the spool into the log: oldest first, in the order of acceptance for each history, harmless when repeated.
 *
 * Room: publish.
 *
 * A command is forgotten only after the log has acknowledged it. A process killed in between delivers it again, and
 * the log knows its id.
 */
import { Clock, Effect, Result } from "effect";
import { keyOf, type Sequence } from "../../domain/History.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { type EventLog, isDamage, LogUnavailable, maxEventsPerAppend, type StreamEnd } from "../../log/EventLog.ts";
import { type Command, type Owner, type Spool, type SpooledCommand } from "../../spool/Spool.ts";
import type { SpoolUnavailable } from "../../spool/Spool.ts";
import { batchOf, beginAll } from "../write/BatchAppend.ts";
import { bytesOf } from "../delivery/SpoolOrMemory.ts";
import { DrainNotes, type Outcome } from "./DrainNotes.ts";
import { DrainReadings } from "./DrainReadings.ts";
import { afterAll, type StreamEndSeen } from "../delivery/StreamEndSeen.ts";
import { type Forks, mayBeLate, meet, type Tail } from "../write/LateCommands.ts";
import { type KnownTasks, putBlobs, write, type WriteError, writeExpecting } from "../write/WriteCommand.ts";

export interface Draining {
  readonly log: EventLog["Service"];
  readonly spool: Spool["Service"];
  readonly tasks: KnownTasks;
  /** Told where the stream ends each time that the log is asked. */
  readonly end?: StreamEndSeen | undefined;
  /** Names this process among those that share the spool. */
  readonly owner: Owner;
}

export type DrainStep =
  /** Nothing waits. */
  | { readonly _tag: "Empty" }
  /** Another process delivers at the moment. */
  | { readonly _tag: "NotLeading" }
  /**
   * Commands have left the spool; `lastWrite` is what the log was given last, and how long its answer took. `isTail`
   * when they were the last ones that waited, as far as could be seen.
   */
  | { readonly _tag: "Drained"; readonly lastWrite: Written; readonly isTail: boolean };

export interface Written {
  readonly bytes: number;
  readonly millis: number;
}

/** One atomic batch: large enough to be cheap, small enough to be staged and answered in well under a second. */
const batchCommands = Math.min(500, maxEventsPerAppend);
const batchBytes = 4 * 1024 * 1024;
/** After a batch that got no answer the next one is a quarter of it, down to this: a thin line takes what is small. */
const leastBatchBytes = 64 * 1024;
/** Patience for the log, milliseconds; no caller waits for a drain. */
const writeTimeoutMillis = 10_000;
/**
 * True when a log is there shows a question that costs it nothing; then a write, for which it has three times as long.
 * Asked in vain it is asked again with twice the time, up to `writeTimeoutMillis`: so a log that hung is used again
 * within seconds, and a slow one in the end, too.
 */
const firstProbeMillis = 1_000;
const writeOverProbe = 3;
/** Time after an answer in which the log counts as reachable, milliseconds: it is not asked again before the next write, which a slow log makes half as long. */
const freshMillis = 1_000;
const overdueLookMillis = 60_000;
/** Two writes may time out before another process takes over. */
const leadMillis = 3 * writeTimeoutMillis;

const within = <A, E, R>(effect: Effect.Effect<A, E, R>, millis: number) =>
  Effect.timeoutOrElse(effect, {
    duration: millis,
    orElse: () => Effect.fail(new LogUnavailable({ reason: `no answer within ${millis} ms` })),
  });

const timed = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const began = yield* elapsed;
  const value = yield* effect;
  return { value, millis: (yield* elapsed) - began };
});

/** Contents of one batch, and the thread ends that it builds on. */
interface Plan {
  readonly commands: ReadonlyArray<SpooledCommand>;
  readonly expected: ReadonlyMap<string, Sequence>;
  /** These, and those among them that were written before. */
  readonly leading: ReadonlyArray<SpooledCommand>;
}

const byHistory = ({ commands, expected }: Pick<Plan, "commands" | "expected">) => {
  const grouped = Map.groupBy(commands, ({ history }) => keyOf(history));
  return [...grouped].flatMap(([key, own]) => {
    const [first] = own;
    if (first === undefined) return [];
    const events = own.map(({ event }) => event);
    return [{ history: first.history, events, expected: expected.get(key) ?? ("any" as const), after: afterAll(own) }];
  });
};

const appended: Outcome = { _tag: "Appended" };

const refused = (failure: Exclude<WriteError, LogUnavailable>): Outcome => ({
  _tag: "Refused",
  reason:
    failure._tag === "AppendRefused"
      ? `the log does not take it: ${failure.reason}`
      : failure._tag === "LeaseLost"
        ? `${failure.reason}. ${failure.hint}`
        : `the task is ${failure.from} and cannot become that any more. ${failure.hint}`,
});

/** Of a damaged history: what waits behind it, for others, must not wait for a heal. */
const unread = (reason: string): Outcome => ({
  _tag: "Refused",
  reason: `its history cannot be read: ${reason}. Heal the stream, then: recollect spool retry`,
});

/** Bound of conflicts in a row: of so many writers on one thread one has won each time, so a writer is looping. */
const maxConflicts = 10;

/** Two processes may meet in one spool, or a process and its own past: everything here may be done twice. */
export class Drainer {
  readonly #parts: Draining;
  readonly #notes: DrainNotes;
  readonly #readings: DrainReadings;
  #batchBytes = batchBytes;
  #probeMillis = firstProbeMillis;
  /** Until when (`elapsed`) the log counts as there because of its last answer. */
  #freshUntil = Number.NEGATIVE_INFINITY;
  #saidOverdue = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: Draining) {
    this.#parts = parts;
    this.#notes = new DrainNotes(parts.spool);
    this.#readings = new DrainReadings(parts.log);
  }

  readonly #step = Effect.gen({ self: this }, function* (): Effect.fn.Return<
    DrainStep,
    LogUnavailable | SpoolUnavailable
  > {
    const { spool, owner } = this.#parts;
    yield* this.#notes.take([]);
    if (yield* this.isEmpty(Number.MAX_SAFE_INTEGER)) {
      this.#readings.clear();
      return { _tag: "Empty" };
    }
    yield* this.#sayOverdue;
    const end = yield* this.#reached;
    // A disk that does not take the claim gives what is on it all the same.
    const leads = yield* spool
      .lead({ owner, millis: leadMillis })
      .pipe(Effect.catchTag("SpoolUnavailable", ({ reason }) => Effect.succeed(reason !== "busy")));
    if (!leads) return { _tag: "NotLeading" };
    const commands = yield* spool.oldest({
      limit: batchCommands,
      maxBytes: this.#batchBytes,
      after: this.#notes.passed,
      end,
    });
    const [first] = commands;
    if (first === undefined) return { _tag: "Empty" };
    const plan = yield* within(this.#plan(commands, false), this.#writeMillis);
    const { length } = plan.leading;
    const batch = yield* batchOf(spool, first, this.#notes.passed);
    const delivery = length > 0 ? this.#together(plan, false) : this.#allOrNone(batch);
    const lastWrite = yield* delivery;
    this.#answered(yield* elapsed);
    const isTail = commands.length < batchCommands && commands.length <= (length > 0 ? length : batch.length);
    return { _tag: "Drained", lastWrite, isTail };
  });

  /** Delivers one batch. */
  readonly step = Effect.tapError(this.#step, ({ _tag }) =>
    Effect.sync(() => {
      if (_tag === "LogUnavailable") this.#unanswered();
    }),
  );

  /** No longer the one who delivers. */
  readonly resign: Effect.Effect<void> = Effect.suspend(() =>
    Effect.ignore(this.#parts.spool.resign(this.#parts.owner)),
  );

  /** True when nothing waits up to a position, beside what this process has delivered. */
  isEmpty(upTo: number): Effect.Effect<boolean, SpoolUnavailable> {
    return Effect.map(this.#parts.spool.isWaiting({ after: this.#notes.passed, upTo }), (waiting) => !waiting);
  }

  #answered(now: number): void {
    this.#freshUntil = now + freshMillis;
    this.#batchBytes = Math.min(batchBytes, this.#batchBytes * 2);
    this.#probeMillis = firstProbeMillis;
  }

  #unanswered(): void {
    this.#freshUntil = Number.NEGATIVE_INFINITY;
    this.#batchBytes = Math.max(leastBatchBytes, this.#batchBytes / 4);
    this.#probeMillis = Math.min(2 * this.#probeMillis, writeTimeoutMillis);
  }

  /**
   * The stream, from a log that is there: who cannot reach it must not keep the others from delivering. An end that was
   * said before is earlier than today's, and so holds for what was never tried.
   */
  get #reached(): Effect.Effect<StreamEnd, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      if (this.#readings.stream !== undefined && (yield* elapsed) < this.#freshUntil) return this.#readings.stream;
      const info = yield* within(this.#parts.log.info, this.#probeMillis);
      this.#parts.end?.said(info);
      this.#readings.stream = { created: info.created, sequence: info.lastSequence };
      return this.#readings.stream;
    });
  }

  get #writeMillis(): number {
    return Math.min(writeOverProbe * this.#probeMillis, writeTimeoutMillis);
  }

  /** Overdue commands are reported once; counting looks at each row, so that is done once a minute. */
  get #sayOverdue() {
    return Effect.gen({ self: this }, function* () {
      const now = yield* Clock.currentTimeMillis;
      if (this.#saidOverdue || now - this.#lookedAt < overdueLookMillis) return;
      this.#lookedAt = now;
      const { oldestAt, overdueMillis } = yield* this.#parts.spool.state;
      if (oldestAt === undefined || now - oldestAt < overdueMillis) return;
      this.#saidOverdue = true;
      const days = Math.floor((now - oldestAt) / (24 * 3_600_000));
      yield* Effect.logWarning(`Commands wait in the spool for ${days} days; see: recollect spool list`);
    });
  }

  /**
   * As many from the front as can go together: a task is decided alone, and so is what another writer was later than. That
   * none was is true up to the end of the thread that we have read, so the log must still find that end. A command that is
   * in a history that we have read need not be written. `looking`: every history is read.
   */
  #plan(commands: ReadonlyArray<SpooledCommand>, looking: boolean): Effect.Effect<Plan, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const read = new Map<string, Tail>();
      const leading: Array<SpooledCommand> = [];
      const task = commands.findIndex(({ history }) => history.kind === "task");
      const front = task < 0 ? commands : commands.slice(0, task);
      const { tails, threads, unreadable } = yield* this.#readings.ahead(front, { of: commands, looking });
      for (const command of front) {
        const subject = mayBeLate(command);
        const key = keyOf(command.history);
        if (unreadable.has(key)) break;
        const known = threads.get(key);
        if (subject !== undefined && known !== undefined) {
          const meeting = meet(command, subject, known)._tag;
          if (meeting === "Late" || meeting === "Forks") break;
        }
        const tail = known ?? tails.get(key);
        if (tail !== undefined) read.set(key, tail);
        leading.push(command);
      }
      // A writer that expects an end vouches that nothing of its own is before it.
      const isThere = ({ event, history }: Command) => read.get(keyOf(history))?.ids.has(event.id) === true;
      const expected = new Map([...read].map(([key, { upTo }]) => [key, upTo] as const));
      return { leading, commands: leading.filter((command) => !isThere(command)), expected };
    });
  }

  /** Many histories in one batch; each keeps its own order. */
  #together(plan: Plan, looked: boolean): Effect.Effect<Written, LogUnavailable> {
    const { log } = this.#parts;
    const { commands, leading } = plan;
    return Effect.gen({ self: this }, function* () {
      const done = this.#notes.take(leading.map(({ position }) => ({ position, outcome: appended })));
      if (commands.length === 0) return yield* Effect.as(done, { bytes: 0, millis: 0 });
      const batch = Effect.andThen(putBlobs(log, commands), log.appendAll(byHistory(plan)));
      const { value, millis } = yield* timed(within(batch.pipe(Effect.result), this.#writeMillis));
      let written: Written = { bytes: commands.reduce((sum, command) => sum + bytesOf(command), 0), millis };
      if (Result.isSuccess(value)) {
        yield* done;
        return written;
      }
      if (value.failure._tag === "LogUnavailable") return yield* value.failure;
      // Some are there already, because the answer to an earlier delivery was lost: those are found by reading.
      if (value.failure._tag === "SequenceConflict" && !looked) {
        const again = yield* within(this.#plan(leading, true), this.#writeMillis);
        if (again.leading.length === leading.length) return yield* this.#together(again, true);
      }
      // One of them is refused, or has been overtaken just now: which one shows one by one.
      for (const command of commands) written = yield* this.#alone(command);
      return written;
    });
  }

  /** A batch in one append. Of one that the log has already, or refuses, what became of each shows one by one. */
  #allOrNone(commands: ReadonlyArray<SpooledCommand>): Effect.Effect<Written, LogUnavailable> {
    const { log } = this.#parts;
    const [first, ...more] = commands;
    if (first === undefined) return Effect.succeed({ bytes: 0, millis: 0 });
    if (more.length === 0) return this.#alone(first);
    return Effect.gen({ self: this }, function* () {
      const { value, millis } = yield* timed(within(Effect.result(beginAll(log, commands)), this.#writeMillis));
      const written = { bytes: commands.reduce((sum, command) => sum + bytesOf(command), 0), millis };
      if (Result.isFailure(value)) {
        if (value.failure._tag === "LogUnavailable") return yield* value.failure;
        yield* Effect.forEach(commands, (command) => this.#alone(command), { discard: true });
      } else yield* this.#notes.take(commands.map(({ position }) => ({ position, outcome: appended })));
      return written;
    });
  }

  /** One by one: whoever can never be written steps aside, so that the others get through. */
  #alone(command: SpooledCommand): Effect.Effect<Written, LogUnavailable> {
    const { position } = command;
    return Effect.gen({ self: this }, function* () {
      const { value: outcome, millis } = yield* timed(this.deliver(command));
      yield* this.#notes.take([{ position, outcome }]);
      return { bytes: bytesOf(command), millis };
    });
  }

  #say({ event, history }: Command, outcome: Exclude<Outcome, { readonly _tag: "Appended" }>) {
    const what = outcome._tag === "Forked" ? `was appended to the fork ${outcome.into.id}` : "is not appended";
    const which = `${event.type} (${event.id}) of the ${history.kind} ${history.id}`;
    return Effect.logWarning(`A ${which} that waited ${what}, because ${outcome.reason}. See: recollect spool list`);
  }

  /** One command that has waited, on disk or in memory, by the rule of its history. */
  deliver(command: Command): Effect.Effect<Outcome, LogUnavailable> {
    const decided = Effect.catchIf(this.#decide(command), isDamage, ({ reason }) => Effect.succeed(unread(reason)));
    return Effect.tap(within(decided, this.#writeMillis), (outcome) =>
      outcome._tag === "Appended" ? Effect.void : this.#say(command, outcome),
    );
  }

  #decide(command: Command): Effect.Effect<Outcome, LogUnavailable> {
    const { log } = this.#parts;
    const subject = mayBeLate(command);
    if (subject === undefined) return this.#write(command);
    return Effect.gen({ self: this }, function* (): Effect.fn.Return<Outcome, LogUnavailable> {
      for (let conflicts = 0; conflicts < maxConflicts; conflicts++) {
        const known = yield* this.#readings.known(command.history, [command]);
        let meeting = meet(command, subject, known);
        // Where a fork begins only the whole thread can tell.
        if (meeting._tag === "Forks" && known.from > 0) {
          const { history } = command;
          meeting = meet(command, subject, yield* this.#readings.wholly(history, [command]));
        }
        if (meeting._tag === "There") return appended;
        if (meeting._tag === "Late") return { _tag: "Refused", reason: meeting.reason };
        if (meeting._tag === "Forks") return yield* this.#fork(command, meeting);
        const result = yield* Effect.result(writeExpecting(log, command, known.upTo));
        if (Result.isSuccess(result)) return appended;
        if (result.failure._tag === "LogUnavailable") return yield* result.failure;
        if (result.failure._tag === "AppendRefused") return refused(result.failure);
      }
      return yield* new LogUnavailable({
        reason: `${maxConflicts} writers in a row were quicker on thread ${command.history.id}`,
      });
    });
  }

  #write(command: Command): Effect.Effect<Outcome, LogUnavailable> {
    const { log, tasks } = this.#parts;
    return write({ log, command, tasks, mayBeThere: true }).pipe(
      Effect.as(appended),
      Effect.catchTags({
        AppendRefused: (failure) => Effect.succeed(refused(failure)),
        IllegalTransition: (failure) => Effect.succeed(refused(failure)),
        LeaseLost: (failure) => Effect.succeed(refused(failure)),
      }),
    );
  }

  /** The fork's first event, then the command. Both have ids that follow from the command: twice is once. */
  #fork(command: Command, { into, opening, reason }: Forks): Effect.Effect<Outcome, LogUnavailable> {
    return Effect.gen({ self: this }, function* () {
      const opened = yield* this.#write({ history: into, event: opening, blobs: [] });
      if (opened._tag !== "Appended") return opened;
      const written = yield* this.#write({ ...command, history: into });
      return written._tag === "Appended" ? { _tag: "Forked", into, reason } : written;
    });
  }
}
