/**
 * Writes to a log that answers: each is waited for within our patience, and its outcome told to its caller.
 *
 * Room: publish.
 */
import { Effect, Exit, Fiber, Result, type Scope } from "effect";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { deniedIn, type EventLog } from "../../log/EventLog.ts";
import type { Command } from "../../spool/Spool.ts";
import { type KnownTasks, write, writeTogether, type WriteError, type Written } from "../write/WriteCommand.ts";
import type { Delivered, DeliveryError } from "./Delivered.ts";
import { patienceFor } from "./DeliveryMode.ts";
import type { Denials } from "./Denials.ts";
import { LateWrites, partOf } from "./LateWrites.ts";
import type { Fate as CallFate } from "./PerHistoryQueue.ts";
import { bytesOf } from "./SpoolOrMemory.ts";
import type { StreamEndSeen } from "./StreamEndSeen.ts";

type Fate = CallFate<Delivered, DeliveryError>;

interface Parts {
  readonly log: EventLog["Service"];
  readonly fibers: Scope.Scope;
  readonly patienceMillis: number;
  readonly firstPatienceMillis: number;
  readonly tasks: KnownTasks;
  readonly end: StreamEndSeen;
  readonly denials: Denials;
}

export class DirectWrites {
  readonly #parts: Parts;
  readonly #late = new LateWrites();
  /** A write has had its answer, or had none in time. */
  #hasWritten = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A command that was missed and is not tried again: its caller does not wait any more. */
  forget(eventId: string): void {
    this.#late.forget(eventId);
  }

  /** Results from the front: as many as the log answered in time. */
  write(commands: ReadonlyArray<Command>): Effect.Effect<ReadonlyArray<Fate>> {
    const { denials, end, log } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const now = yield* elapsed;
      if (commands.length > 1 && commands.every((command) => this.#late.of(command, now) === undefined)) {
        const together = yield* this.patiently(commands, Effect.result(writeTogether(log, commands)), (late) => {
          for (const [index, command] of commands.entries()) {
            const own = Effect.map(late, (written) => partOf(written, index));
            this.#late.keep(command, own, now);
          }
        });
        if (together === undefined) return [];
        if (Result.isFailure(together)) {
          const denied = denials.failure(deniedIn(together.failure));
          return denied === undefined ? [] : commands.map(() => Result.fail(denied));
        }
        if (together.success !== undefined) {
          for (const { sequence } of together.success) end.reached(sequence);
          return together.success.map((written) => Result.succeed(asDelivered(written)));
        }
      }
      const results: Array<Fate> = [];
      for (const command of commands) {
        const written = yield* this.#writeOne(command);
        const known = written === undefined ? undefined : this.#asResult(written);
        if (known === undefined) break;
        if (written !== undefined && Result.isSuccess(written)) end.reached(written.success.sequence);
        results.push(known);
      }
      return results;
    });
  }

  /** Undefined when there is no answer in time. */
  #writeOne(command: Command): Effect.Effect<Result.Result<Written, WriteError> | undefined> {
    const { log } = this.#parts;
    return Effect.gen({ self: this }, function* () {
      const now = yield* elapsed;
      const late = this.#late.of(command, now);
      if (late !== undefined) {
        let isLate = false;
        const settled = yield* this.patiently([command], late, () => (isLate = true));
        if (isLate) return undefined;
        this.#late.forget(command.event.id);
        if (settled !== undefined && !isUnanswered(settled)) return settled;
      }
      const one = write({ log, command, tasks: this.#parts.tasks, mayBeThere: false });
      return yield* this.patiently([command], Effect.result(one), (again) => this.#late.keep(command, again, now));
    });
  }

  /**
   * Undefined when there is no answer in time. The write is left to itself then: interrupting it could take as long as
   * the log takes, and should it succeed after all, the drain finds its id in the log. `onLate` is given what it comes to.
   */
  patiently<A>(
    commands: ReadonlyArray<Command>,
    effect: Effect.Effect<A>,
    onLate?: (late: Effect.Effect<A>) => void,
  ): Effect.Effect<A | undefined> {
    const { firstPatienceMillis, patienceMillis: usual } = this.#parts;
    const patienceMillis = patienceFor(
      { patienceMillis: this.#hasWritten ? usual : firstPatienceMillis },
      commands.reduce((sum, command) => sum + bytesOf(command), 0),
    );
    return Effect.gen({ self: this }, function* () {
      const { fibers } = this.#parts;
      const writing = yield* Effect.forkIn(effect, fibers, { startImmediately: true });
      const known = writing.pollUnsafe();
      const inTime = yield* known ?? this.#within(writing, patienceMillis, onLate);
      if (commands.length > 0) this.#hasWritten = true;
      return inTime;
    });
  }

  /** Undefined when it is late. By hand and not by a race, which takes a fiber more for every write. */
  #within<A>(
    writing: Fiber.Fiber<A>,
    millis: number,
    onLate?: (late: Effect.Effect<A>) => void,
  ): Effect.Effect<A | undefined> {
    return Effect.flatMap(
      Effect.forkIn(Effect.sleep(millis), this.#parts.fibers, { startImmediately: true }),
      (pause) =>
        Effect.callback<A | undefined>((resume) => {
          const answered = writing.addObserver((exit) => {
            pause.interruptUnsafe();
            resume(exit);
          });
          const over = pause.addObserver((exit) => {
            answered();
            if (!Exit.isSuccess(exit)) return;
            onLate?.(Fiber.join(writing));
            resume(Effect.succeed(undefined));
          });
          return Effect.sync(() => {
            answered();
            over();
            pause.interruptUnsafe();
          });
        }),
    );
  }

  /** Undefined when the log did not answer. */
  #asResult(written: Result.Result<Written, WriteError>): Fate | undefined {
    if (Result.isSuccess(written)) {
      this.#parts.denials.over();
      return Result.succeed(asDelivered(written.success));
    }
    const { failure } = written;
    if (failure._tag !== "LogUnavailable") return Result.fail(failure);
    const denied = this.#parts.denials.failure(deniedIn(failure));
    return denied === undefined ? undefined : Result.fail(denied);
  }
}

const isUnanswered = (written: Result.Result<Written, WriteError>): boolean =>
  Result.isFailure(written) && written.failure._tag === "LogUnavailable";

const asDelivered = ({ sequence, isNew }: Written): Delivered => ({ _tag: isNew ? "Appended" : "Unchanged", sequence });
