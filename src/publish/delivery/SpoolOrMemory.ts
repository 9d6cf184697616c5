/**
 * Waiting commands while the log is unreachable: on disk, and without room there, in bounded memory.
 *
 * Room: publish.
 *
 * Order is kept: as long as commands wait in memory, newer ones wait behind them.
 */
import { Effect, Result, Schema } from "effect";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { LogUnavailable } from "../../log/EventLog.ts";
import type { Command, Spool, SpoolUnavailable } from "../../spool/Spool.ts";

/** Neither the log nor the disk has room for the command. It is lost unless the caller says it again. */
export class NotAccepted extends Schema.TaggedError<NotAccepted>()("NotAccepted", {
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** The log did not take a command in time that must be there. */
export const notInLog = new LogUnavailable({
  reason: "The log did not answer in time, and the event must be nowhere else",
  hint: 'Say it again with the same id: it is there once. Without `durable: "log"` it would wait on this disk.',
});

/** Commands kept in memory when the spool is unusable: enough for minutes of a busy agent, harmless for any process. */
export const maxHeldCommands = 1_000;
export const maxHeldBytes = 16 * 1024 * 1024;
/** A spool that failed is not tried for every command: a full disk answers slowly. */
const retrySpoolMillis = 1_000;

export const bytesOf = ({ event, blobs }: Command): number =>
  event.body.length + 512 + blobs.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);

export class SpoolOrMemory {
  readonly #spool: Spool["Service"];
  #held: ReadonlyArray<Command> = [];
  #heldBytes = 0;
  #triedAt = Number.NEGATIVE_INFINITY;
  #trouble: SpoolUnavailable | undefined;
  #reached = 0;

  constructor(spool: Spool["Service"]) {
    this.#spool = spool;
  }

  /** Commands in memory, oldest first. */
  get held(): ReadonlyArray<Command> {
    return this.#held;
  }

  /** The spool's position up to which it is for this process to see that everything is delivered before it goes on. */
  get reached(): number {
    return this.#reached;
  }

  /** Includes commands that an earlier process left there. */
  reach(position: number): void {
    this.#reached = Math.max(this.#reached, position);
  }

  /** Keeps all of them: `Spooled` is on disk, `Held` in memory only. */
  readonly put: (commands: ReadonlyArray<Command>) => Effect.Effect<"Spooled" | "Held", NotAccepted> =
    Effect.fnUntraced({ self: this }, function* (this: SpoolOrMemory, commands) {
      if (yield* this.settle(commands)) return "Spooled";
      const bytes = commands.reduce((sum, command) => sum + bytesOf(command), 0);
      const isFull = this.#held.length + commands.length > maxHeldCommands || this.#heldBytes + bytes > maxHeldBytes;
      const mayHold = commands.every(({ batch, durable }) => durable === "memory" && batch === undefined);
      // Held commands go to the log one by one, so a batch would not be all or none.
      if (isFull || !mayHold) {
        return yield* new NotAccepted({
          reason: `The log is away and ${this.#trouble?.message ?? "the spool is unusable"}`,
          hint: this.#trouble?.hint ?? "Bring the log back, or make room on the disk.",
        });
      }
      this.#held = [...this.#held, ...commands];
      this.#heldBytes += bytes;
      return "Held";
    });

  /** Brings what is held, and `more` behind it, onto the disk. False when the spool does not take it. */
  readonly settle: (more: ReadonlyArray<Command>) => Effect.Effect<boolean> = Effect.fnUntraced(
    { self: this },
    function* (this: SpoolOrMemory, more) {
      const all = [...this.#held, ...more];
      if (all.length === 0) return true;
      const now = yield* elapsed;
      const isBroken = this.#trouble !== undefined && this.#trouble.reason !== "busy";
      if (isBroken && now - this.#triedAt < retrySpoolMillis) return false;
      const put = yield* Effect.result(this.#spool.put(all));
      this.#trouble = Result.isFailure(put) ? put.failure : undefined;
      this.#triedAt = now;
      if (Result.isSuccess(put)) {
        this.reach(put.success);
        this.#clear();
      }
      return Result.isSuccess(put);
    },
  );

  /** The log has this command. Does nothing when it has gone to the spool meanwhile. */
  drop(command: Command): void {
    if (!this.#held.includes(command)) return;
    this.#held = this.#held.filter((other) => other !== command);
    this.#heldBytes -= bytesOf(command);
  }

  #clear(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}
