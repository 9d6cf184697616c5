/**
 * One queue per history: its calls are settled one batch at a time, in the order in which they were made.
 *
 * Room: publish.
 *
 * Calls made while a batch is settled go with the next one. So calls that are not awaited still arrive in
 * order, and a busy thread pays one batch for many messages.
 */
import { Deferred, Effect, Exit, type Result, type Scope } from "effect";
import { keyOf } from "../../domain/History.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import type { Command } from "../../spool/Spool.ts";
import * as AtExit from "./AtExit.ts";
import { bytesOf, NotAccepted } from "./SpoolOrMemory.ts";

/** Bound of calls that pile up in memory, bytes; beyond it they are refused. The first one may have any size. */
const maxOutstanding = 10_000;
const maxOutstandingBytes = 64 * 1024 * 1024;
/** One append: stays far below the log's limit of events and a server's pending bytes. */
const maxLaneEvents = 250;
const maxLaneBytes = 4 * 1024 * 1024;

/** Outcome of one command. */
export type Fate<A, E> = Result.Result<A, E>;

interface Call<A, E> {
  readonly command: Command;
  /** Time of the call (`elapsed`). */
  readonly since: number;
  readonly bytes: number;
  readonly settled: Deferred.Deferred<A, E>;
}

const tooMuch = (what: string) =>
  new NotAccepted({ reason: `${what} are outstanding`, hint: "Await the calls, or flush now and then." });

const closed = new NotAccepted({
  reason: "The publisher was closed before the command was on disk or in the log",
  hint: "Close it when nobody uses it any more; what is said again with the same id is there once.",
});

const batchLength = (lane: ReadonlyArray<{ readonly command: Command }>): number => {
  let bytes = 0;
  for (const [index, { command }] of lane.entries()) {
    bytes += bytesOf(command);
    // A task is decided alone.
    const isFull = index >= maxLaneEvents || bytes > maxLaneBytes || command.history.kind === "task";
    if (isFull) return Math.max(1, index);
  }
  return lane.length;
};

/** Answers for each command of a batch, of which the first was called at that moment (`elapsed`). */
export type Settle<A, E> = (
  commands: ReadonlyArray<Command>,
  since: number,
) => Effect.Effect<ReadonlyArray<Fate<A, E>>>;

export class PerHistoryQueue<A, E> {
  readonly #lanes = new Map<string, Array<Call<A, E | NotAccepted>>>();
  readonly #outstanding = new Set<Call<A, E | NotAccepted>>();
  #bytes = 0;
  #isClosed = false;
  readonly #settle: Settle<A, E | NotAccepted>;
  readonly #fibers: Scope.Scope;

  /** The batches of one history come one after another. */
  constructor(options: { readonly settle: Settle<A, E | NotAccepted>; readonly fibers: Scope.Scope }) {
    this.#settle = options.settle;
    this.#fibers = options.fibers;
  }

  /** Calls that have not returned yet. */
  get outstanding(): number {
    return this.#outstanding.size;
  }

  /** The commands of those calls, in the order in which they were made. */
  get commands(): ReadonlyArray<Command> {
    return [...this.#outstanding].map(({ command }) => command);
  }

  /** Takes a command at its place in its history; returns what became of it. */
  call(command: Command): Effect.Effect<A, E | NotAccepted> {
    return Effect.flatMap(elapsed, (since): Effect.Effect<A, E | NotAccepted> => {
      if (this.#isClosed) return Effect.fail(closed);
      if (this.#outstanding.size >= maxOutstanding) return Effect.fail(tooMuch(`${maxOutstanding} calls`));
      const bytes = bytesOf(command);
      if (this.#outstanding.size > 0 && this.#bytes + bytes > maxOutstandingBytes) {
        return Effect.fail(tooMuch(`calls of ${this.#bytes} bytes`));
      }
      const call: Call<A, E | NotAccepted> = { command, since, bytes, settled: Deferred.makeUnsafe() };
      this.#outstanding.add(call);
      AtExit.begun();
      this.#bytes += bytes;
      const key = keyOf(command.history);
      const lane = this.#lanes.get(key);
      lane?.push(call);
      if (lane !== undefined) return Deferred.await(call.settled);
      this.#lanes.set(key, [call]);
      return Effect.andThen(
        Effect.forkIn(this.#run(key), this.#fibers, { startImmediately: true }),
        Deferred.await(call.settled),
      );
    });
  }

  /** Returns when every call made so far has returned. */
  get flush(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Effect.forEach([...this.#outstanding], ({ settled }) => Effect.exit(Deferred.await(settled)), { discard: true }),
    );
  }

  /** Ends the queue: new calls are refused, and waiting ones fail as unsettled. */
  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.#isClosed = true;
      for (const { settled } of this.#outstanding) Deferred.doneUnsafe(settled, Effect.fail(closed));
      for (const _ of this.#outstanding) AtExit.ended();
      this.#outstanding.clear();
      this.#bytes = 0;
    });
  }

  /** Settles the calls of one history until none is left. */
  #run(key: string): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (;;) {
        const lane = this.#lanes.get(key) ?? [];
        if (lane.length === 0) {
          this.#lanes.delete(key);
          return;
        }
        const calls = lane.splice(0, batchLength(lane));
        const settled = yield* Effect.exit(
          this.#settle(
            calls.map(({ command }) => command),
            calls[0]?.since ?? 0,
          ),
        );
        for (const [index, call] of calls.entries()) {
          if (this.#outstanding.delete(call)) {
            this.#bytes -= call.bytes;
            AtExit.ended();
          }
          const fate = Exit.isSuccess(settled) ? fromFate(settled.value[index]) : Effect.failCause(settled.cause);
          Deferred.doneUnsafe(call.settled, fate);
        }
      }
    });
  }
}

const fromFate = <A, E>(fate: Fate<A, E> | undefined): Effect.Effect<A, E> =>
  fate === undefined ? Effect.die("a call without a result") : Effect.fromResult(fate);
