/**
 * The writer of a batch: this thread, at once, or a thread beside it, so that the next batch is folded meanwhile.
 *
 * Room: projection.
 *
 * Promises: one batch at a time, whoever writes it; a thread that ends for whatever reason fails the batch it had,
 * and the next one gets a new thread; with the scope no thread is left, and what it had not committed is taken back.
 *
 * Decision: a lone event is written here, because a thread costs 60 ms and 11 MB to start: a command that starts a
 * store of its own is done in less, and an idle daemon has no use for one. Lone events that come without a pause go to a
 * thread, because a daemon answers requests on this one, and a commit waits for the disk. Indexes of a small file are made
 * here too: a verify of 40 events took 244 ms of processor with a thread and 179 without, a rebuild 383 and 245.
 */
import type { Database } from "better-sqlite3";
import { Effect, Semaphore } from "effect";
import { Worker } from "node:worker_threads";
import type { RowBatch } from "../fold/RowBatch.ts";
import type { StorageTrouble } from "../ReadModel.ts";
import { storageTrouble } from "../StorageTroubleSqlite.ts";
import * as RowWriter from "./RowWriterSqlite.ts";
import type { Answered, Indexing } from "./WriterThreadSqlite.ts";

/** From so many rows on, a batch is worth a thread: their writing takes longer than its start. */
const threadFromRows = 2_000;
/** Or once writing here took so much of a second, milliseconds. */
const busyMillis = 100;
const secondMillis = 1_000;
/** Indexes of a file of at most so many bytes are made here: a thread takes longer to start. */
const indexHereBytes = 4 * 1024 * 1024;
/** A thread that has had nothing to do for so long is ended. */
const idleMillis = 5_000;

/**
 * Of the thread's space for new objects. A batch it is sent is used once and given up, and V8 on its own would take 48 MB:
 * with this and fewer pages in memory a rebuild took 416 MB at most instead of 494.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 12 };

/** The thread's program, as it lies beside this file: TypeScript in the repository, JavaScript in the package. */
const program = new URL(
  `./WriterThreadSqlite${import.meta.url.slice(import.meta.url.lastIndexOf("."))}`,
  import.meta.url,
);

/** One thread and what it was asked. Plain and mutable: it speaks in events. */
class Thread {
  private readonly worker: Worker;
  private waiting: ((answered: Answered) => void) | undefined;
  private idle: NodeJS.Timeout | undefined;
  isOver = false;

  constructor(place: RowWriter.Place, file: URL) {
    this.worker = new Worker(file, {
      workerData: place,
      name: "recollect-writer",
      resourceLimits,
    });
    this.worker.on("message", (answered: Answered) => this.answer(answered));
    this.worker.on("error", (error: unknown) => this.over(error instanceof Error ? error.message : String(error)));
    this.worker.on("exit", (code) => this.over(`it ended with code ${code}`));
    this.rest();
  }

  private over(why: string) {
    this.isOver = true;
    this.answer({ _tag: "Failed", code: "", message: `the writing thread failed: ${why}` });
    clearTimeout(this.idle);
  }

  private answer(answered: Answered) {
    const { waiting } = this;
    this.waiting = undefined;
    this.rest();
    waiting?.(answered);
  }

  /** A thread that waits keeps no process alive, and is ended after a while. */
  private rest() {
    this.worker.unref();
    clearTimeout(this.idle);
    this.idle = setTimeout(() => void this.end(), idleMillis).unref();
  }

  ask(asked: RowWriter.RowWriter | Indexing, answered: (answered: Answered) => void) {
    clearTimeout(this.idle);
    this.waiting = answered;
    this.worker.ref();
    // Handed over, not copied.
    const moved = "packed" in asked ? [asked.packed.numbers, asked.packed.bytes, asked.packed.lengths] : [];
    this.worker.postMessage(
      asked,
      moved.map(({ buffer }) => buffer),
    );
  }

  end(): Promise<unknown> {
    this.isOver = true;
    clearTimeout(this.idle);
    return this.worker.terminate();
  }
}

export interface RowWriterChoice {
  /** A pack is used up by this, also where it fails. */
  readonly write: (write: RowWriter.RowWriter) => Effect.Effect<RowWriter.Written, StorageTrouble>;
  readonly probe: (units: ReadonlyArray<RowBatch>) => Effect.Effect<ReadonlyArray<RowWriter.Refused>, StorageTrouble>;
  /** Runs the statements that make indexes, in the thread where they take long. */
  readonly index: (statements: ReadonlyArray<string>) => Effect.Effect<void, StorageTrouble>;
  readonly note: (key: string, value: string | undefined) => Effect.Effect<void, StorageTrouble>;
  readonly settle: Effect.Effect<void, StorageTrouble>;
  /** Ends the thread, if there is one. */
  readonly close: Effect.Effect<void>;
}

export interface Options {
  /** Batches with so many rows are written in a thread. */
  readonly threadFromRows?: number | undefined;
  /** The thread's program. */
  readonly program?: URL | undefined;
}

const bytesOf = (db: Database): number =>
  Number(db.pragma("page_count", { simple: true })) * Number(db.pragma("page_size", { simple: true }));

/** Writes with `db` here, and in a thread on the same file. */
export const make = (db: Database, place: RowWriter.Place, options: Options = {}): RowWriterChoice => {
  const threadFrom = options.threadFromRows ?? threadFromRows;
  let made: RowWriter.Writing | undefined;
  /** Made with the first work: a file of another version may lack what its statements speak of. */
  const here = (): RowWriter.Writing => (made ??= RowWriter.make(db, place));
  /** Time of the current second that was spent on writing here. */
  const spent = { since: 0, millis: 0 };
  const writeHere = (write: RowWriter.RowWriter): RowWriter.Written => {
    const began = performance.now();
    if (began - spent.since > secondMillis) Object.assign(spent, { since: began, millis: 0 });
    const written = here().write(write);
    spent.millis += performance.now() - began;
    return written;
  };
  const isBusy = () => spent.millis > busyMillis && performance.now() - spent.since < secondMillis;
  const turn = Semaphore.makeUnsafe(1);
  let thread: Thread | undefined;
  const attempt = <A>(work: () => A): Effect.Effect<A, StorageTrouble> =>
    Effect.try({ try: work, catch: (cause) => storageTrouble(place.file, cause) });
  const running = () => (thread?.isOver === false ? thread : undefined);

  /** Asks the thread; an interruption ends it, and what it was writing is taken back. */
  const ask = (asked: RowWriter.RowWriter | Indexing): Effect.Effect<RowWriter.Written, StorageTrouble> =>
    Effect.callback((resume) => {
      const asking = running() ?? new Thread(place, options.program ?? program);
      thread = asking;
      asking.ask(asked, (answered) => {
        if (answered._tag !== "Failed") return resume(Effect.succeed(answered));
        const cause = Object.assign(new Error(answered.message), { code: answered.code });
        resume(Effect.fail(storageTrouble(place.file, cause)));
      });
      return Effect.promise(() => asking.end());
    });

  return {
    write: (write) =>
      Effect.suspend(() => {
        if (write.packed.rows < threadFrom && running() === undefined && !isBusy())
          return attempt(() => writeHere(write));
        return ask(write);
      }).pipe(turn.withPermit),
    // Rarely needed, so not worth a second way.
    probe: (units) => turn.withPermit(attempt(() => here().probe(units))),
    index: (statements) =>
      Effect.suspend(() => {
        if (running() !== undefined || bytesOf(db) > indexHereBytes) return Effect.asVoid(ask({ index: statements }));
        return attempt(() => here().index(statements));
      }).pipe(turn.withPermit),
    note: (key, value) => turn.withPermit(attempt(() => here().note(key, value))),
    settle: turn.withPermit(attempt(() => here().settle())),
    close: Effect.suspend(() => {
      const ending = running();
      return ending === undefined ? Effect.void : Effect.promise(() => ending.end());
    }),
  };
};
