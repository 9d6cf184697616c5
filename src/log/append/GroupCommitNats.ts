/**
 * Group commit: appends that wait at the same time are written together when that is cheaper than one by one.
 *
 * Room: log.
 *
 * Promises:
 * - a lone append goes at once: what is written together is decided by what waits, never by a timer
 * - each append has the outcome that it could have had alone; a conflict or a duplicate is its own alone
 * - appends of one history go in the order in which they were asked for
 * - what waits is bounded; who waits too long gets `LogUnavailable`, and nothing of that append was sent
 *
 * Plain code with callbacks and not fibers, because all of it runs for every append. A fiber is started only to settle
 * what the server did not simply take.
 */
import { Cause, Clock, Effect, Result } from "effect";
import type { Checked } from "./AppendCheck.ts";
import type { Outcome } from "./AtomicBatchNats.ts";
import { elapsedUnsafe } from "../connection/Elapsed.ts";
import { type AppendError, type Appended, type AppendRefused, LogUnavailable } from "../EventLog.ts";
import { isJustMade, newAfter, type Writer } from "./IdSearchNats.ts";
import { type Most, type Part, PendingAppend, WaitingAppends } from "./WaitingAppends.ts";
import { assign, budgetMillis, type Parted, prepare, sendParts, settleAlone, settleGroup } from "./WriterNats.ts";

/**
 * As many waiting appends are written together, fewer singly and side by side.
 *
 * Decision: 10, because with `sync_interval: always` one message costs the server one fsync and a batch costs six,
 * however large it is: two files and two folders to stage it, the staged messages, and the stream (nats-server 2.15.1
 * under strace). Measured in turns, 8 singles side by side take 0.67 times as long as a batch of 8, and 12 take 1.26
 * times as long as a batch of 12.
 */
const groupFrom = 10;

/**
 * Most of one group.
 *
 * Decision: 500 events, because 1,000 were no faster (1,024 writers, 57 µs of this process for an event either way),
 * 250 cost 66 µs, and the ends of at most 500 histories can be asked for in one question. One group is on its way at a
 * time.
 */
const mostTogether: Most = { appends: 500, events: 500, bytes: 4 * 1024 * 1024, sameHistory: true };

/**
 * As many waiting appends go before the callers of the group before them are told; fewer wait for what those add.
 *
 * Decision: half a group, and callers told 50 in one turn of the event loop, because what each of them does next would
 * keep the server without work meanwhile, and the socket from taking the rest of the group that was sent. 1,024
 * writers: 0.76 of bare batches when all are told first, 0.83 when the group goes first, 0.89 with turns of 50. Two
 * groups on their way were no faster.
 */
const goesBefore = 250;
const toldInOneTurn = 50;

/** Appends that may wait or be on their way: 8,000 of the median event of an agent are 11 MB. */
export const mostAppends = 8_000;
/** The same in bytes: four of the largest appends. */
const mostBytes = 64 * 1024 * 1024;
/** An append that was not sent within this many budgets fails: the server has more to write than it can. */
const budgetsToWait = 2;

const tooLong = (waiting: number) =>
  new LogUnavailable({
    reason: `${waiting} appends wait to be written, and this one has waited too long`,
    hint: "The server writes more slowly than is asked of it, or hangs. Append less at once, or try again later.",
  });

/** An append that has no place yet: too many are before it. It is not even checked, so that it takes no memory of ours. */
interface Outside {
  readonly since: number;
  readonly enter: () => void;
  readonly fail: (error: AppendError) => void;
}

const nothingLeft: Parted = { alone: [], again: [] };

type Check = () => Result.Result<ReadonlyArray<Checked>, AppendRefused>;

const sharesHistory = (appends: ReadonlyArray<PendingAppend>): boolean => {
  const subjects = appends.flatMap(({ parts }) => parts.map(({ checked }) => checked.subject));
  return new Set(subjects).size < subjects.length;
};

/** True when these are to be one batch. Where one of them has several events a batch has to be paid for in any case. */
const isGroup = (taken: ReadonlyArray<PendingAppend>): boolean => {
  if (taken.length < 2) return false;
  const events = taken.reduce((sum, one) => sum + one.events, 0);
  return events >= groupFrom || events > taken.length || sharesHistory(taken);
};

export class GroupCommit {
  readonly #writer: Writer;
  readonly #clock: Clock.Clock;
  readonly #fork: (effect: Effect.Effect<void>) => void;
  readonly #waiting = new WaitingAppends();
  readonly #outside = new Set<Outside>();
  /** Those whose callers are to be told what became of them. */
  readonly #settled: Array<{ readonly append: PendingAppend; readonly cause: Cause.Cause<AppendError> | undefined }> =
    [];
  /** All that were let in and are not settled. */
  #appends = 0;
  #bytes = 0;
  #singlesOnTheirWay = 0;
  #batchIsOnItsWay = false;
  #goesSoon = false;

  constructor(options: {
    readonly writer: Writer;
    readonly clock: Clock.Clock;
    readonly fork: (effect: Effect.Effect<void>) => void;
  }) {
    this.#writer = options.writer;
    this.#clock = options.clock;
    this.#fork = options.fork;
  }

  /**
   * Writes what passes `check`, all or none, and gives a result for each. Interrupted, it is not sent any more; what
   * was sent already is not waited for.
   */
  write(check: Check): Effect.Effect<ReadonlyArray<Appended>, AppendError> {
    return Effect.callback((resume) => {
      const since = elapsedUnsafe(this.#clock);
      const fail = (error: AppendError) => resume(Effect.fail(error));
      let entered: PendingAppend | undefined;
      const enter = () => {
        const checked = check();
        if (Result.isFailure(checked)) return fail(checked.failure);
        const append = new PendingAppend({
          checked: checked.success,
          since,
          tell: (settled) => {
            this.#leave(append);
            resume(settled);
          },
        });
        entered = append;
        this.#enter(append);
      };
      const outside: Outside = { since, enter, fail };
      if (this.#hasRoom && this.#outside.size === 0) enter();
      else this.#outside.add(outside);
      return Effect.sync(() => {
        this.#outside.delete(outside);
        if (entered === undefined || entered.isOver) return;
        entered.abandon();
        this.#leave(entered);
      });
    });
  }

  get #hasRoom(): boolean {
    return this.#appends < mostAppends && this.#bytes < mostBytes;
  }

  #enter(append: PendingAppend): void {
    this.#appends++;
    this.#bytes += append.bytes;
    this.#waiting.add(append);
    append.isReady = append.parts.every((part) => this.#isKnownNew(part));
    if (append.isReady) this.#goSoon();
    else this.#fork(this.#prepare(append));
  }

  /** True when an event needs no search: the server would know it, or its history is remembered. */
  #isKnownNew(part: Part): boolean {
    const { checked } = part;
    if (checked.append.expected !== "any") return true;
    const now = this.#clock.currentTimeMillisUnsafe();
    if (isJustMade(this.#writer, checked, now)) return true;
    part.expected = newAfter(this.#writer, checked, now);
    return part.expected !== undefined;
  }

  #leave(append: PendingAppend): void {
    this.#appends--;
    this.#bytes -= append.bytes;
    for (const outside of this.#outside) {
      if (!this.#hasRoom) break;
      this.#outside.delete(outside);
      outside.enter();
    }
  }

  /** Later appends of its histories wait for it in their places. */
  #prepare(append: PendingAppend): Effect.Effect<void> {
    return Effect.matchCause(prepare(this.#writer, append), {
      onFailure: (cause) => append.fail(cause),
      onSuccess: () => {
        append.isReady = true;
        if (append.open.length === 0) append.succeed();
      },
    }).pipe(Effect.andThen(Effect.sync(() => this.#goSoon())));
  }

  /** At the end of this turn, so that all who append in it are seen at once. */
  #goSoon(): void {
    if (this.#goesSoon) return;
    this.#goesSoon = true;
    queueMicrotask(() => {
      this.#goesSoon = false;
      this.#go();
    });
  }

  /** Sends what is to be sent now. */
  #go(): void {
    this.#failLate();
    while (!this.#batchIsOnItsWay) {
      const { size } = this.#waiting;
      const free = groupFrom - this.#singlesOnTheirWay;
      if (size === 0 || (size < groupFrom && free <= 0)) return;
      const taken = this.#waiting.take(
        size < groupFrom ? { ...mostTogether, appends: free, sameHistory: false } : mostTogether,
      );
      if (taken.length === 0) return;
      if (isGroup(taken)) this.#sendGroup(taken);
      else for (const append of taken) this.#sendAlone(append);
    }
  }

  /** Fails appends that waited too long. Called when a group ends, which it does within its budget: no timer is needed. */
  #failLate(): void {
    const earliest = elapsedUnsafe(this.#clock) - budgetsToWait * budgetMillis(this.#writer);
    for (const outside of this.#outside) {
      if (outside.since >= earliest) break;
      this.#outside.delete(outside);
      outside.fail(tooLong(this.#appends));
    }
    for (const append of this.#waiting.takeOlder(earliest)) append.fail(Cause.fail(tooLong(this.#appends)));
  }

  #sendAlone(append: PendingAppend): void {
    const { open } = append;
    if (append.events > 1) this.#batchIsOnItsWay = true;
    else this.#singlesOnTheirWay++;
    void sendParts(this.#writer, open).then((outcome) => this.#answeredAlone(append, open, outcome));
  }

  #answeredAlone(append: PendingAppend, sent: ReadonlyArray<Part>, outcome: Outcome): void {
    // While it is settled it is on its way to nobody's cost but its own.
    if (append.events > 1) this.#batchIsOnItsWay = false;
    else this.#singlesOnTheirWay--;
    if (outcome._tag === "Written" && !outcome.duplicate) {
      assign(this.#writer, sent, outcome.sequence);
      this.#finish(append);
      return;
    }
    this.#goSoon();
    this.#fork(
      Effect.matchCause(settleAlone(this.#writer, append, outcome), {
        onFailure: (cause) => this.#finish(append, cause),
        onSuccess: () => this.#finish(append),
      }),
    );
  }

  #sendGroup(group: ReadonlyArray<PendingAppend>): void {
    const parts = group.flatMap(({ open }) => open);
    this.#batchIsOnItsWay = true;
    void sendParts(this.#writer, parts).then((outcome) => this.#answeredGroup(group, parts, outcome));
  }

  #answeredGroup(group: ReadonlyArray<PendingAppend>, sent: ReadonlyArray<Part>, outcome: Outcome): void {
    if (outcome._tag === "Written" && !outcome.duplicate) {
      assign(this.#writer, sent, outcome.sequence);
      this.#partGroup(group, nothingLeft);
      return;
    }
    this.#fork(
      Effect.matchCause(settleGroup(this.#writer, group, outcome), {
        onFailure: (cause) => this.#partGroup(group, nothingLeft, cause),
        onSuccess: (parted) => this.#partGroup(group, parted),
      }),
    );
  }

  #partGroup(group: ReadonlyArray<PendingAppend>, { alone, again }: Parted, cause?: Cause.Cause<AppendError>): void {
    this.#batchIsOnItsWay = false;
    const others = new Set([...alone, ...again]);
    const done = group.filter((append) => !others.has(append));
    for (const append of done) this.#waiting.release(append);
    this.#waiting.putBack(again);
    for (const append of alone) this.#sendAlone(append);
    if (this.#waiting.size >= goesBefore) this.#go();
    this.#tell(done, cause);
  }

  #finish(append: PendingAppend, cause?: Cause.Cause<AppendError>): void {
    this.#waiting.release(append);
    this.#tell([append], cause);
  }

  /** In the order in which they were settled. */
  #tell(settled: ReadonlyArray<PendingAppend>, cause: Cause.Cause<AppendError> | undefined): void {
    const isTelling = this.#settled.length > 0;
    for (const append of settled) this.#settled.push({ append, cause });
    if (!isTelling) this.#tellSome();
  }

  /** As many as one turn may take while the next group is being written, else all. */
  #tellSome(): void {
    const count = this.#batchIsOnItsWay ? toldInOneTurn : this.#settled.length;
    for (const { append, cause } of this.#settled.slice(0, count)) {
      if (cause === undefined) append.succeed();
      else append.fail(cause);
    }
    this.#settled.splice(0, count);
    this.#goSoon();
    if (this.#settled.length > 0) setImmediate(() => this.#tellSome());
  }
}

/** Outlives its scope by what is on its way: a closed connection ends that too. */
export const make = Effect.fnUntraced(function* (writer: Writer) {
  const clock = yield* Clock.Clock;
  const context = yield* Effect.context<never>();
  return new GroupCommit({ writer, clock, fork: Effect.runForkWith(context) });
});
