/**
 * Lower bound of the stream's end, as one process knows it: from the server's answers and from acknowledgements.
 *
 * Room: publish.
 *
 * A command whose id was made just now can stand in the log only behind what is known before the first attempt to write
 * it. So nothing is attempted before that is known, and whoever delivers it later, after a lost answer or an outage,
 * looks for it there and nowhere else. Commands spooled before it was known are given their end there, by the
 * first who delivers (`Spool.oldest`).
 */
import { Deferred, Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import { type AccessDenied, deniedIn, type EventLog, type LogInfo, type StreamEnd } from "../../log/EventLog.ts";
import type { Command } from "../../spool/Spool.ts";

/** Sequence behind which all of these stand, if they are in the log; undefined when that is not known of each. */
export const afterAll = (commands: ReadonlyArray<Command>): StreamEnd | undefined =>
  commands.reduce<StreamEnd | undefined>((earliest, { after }) => {
    if (earliest === undefined || after?.created !== earliest.created) return undefined;
    return after.sequence < earliest.sequence ? after : earliest;
  }, commands[0]?.after);

export class StreamEndSeen {
  readonly #log: EventLog["Service"];
  #end: StreamEnd | undefined;
  #denied: AccessDenied | undefined;
  #asking: Deferred.Deferred<void> | undefined;

  constructor(log: EventLog["Service"]) {
    this.#log = log;
  }

  /** Undefined while nothing is known of the stream. */
  get now(): StreamEnd | undefined {
    return this.#end;
  }

  /** Bound noted by an earlier process. */
  begin(end: StreamEnd | undefined): void {
    this.#end ??= end;
  }

  /** An acknowledgement named this sequence. */
  reached(sequence: Sequence): void {
    if (this.#end !== undefined && sequence > this.#end.sequence) this.#end = { ...this.#end, sequence };
  }

  /** The log said where it ends: of another stream, or a shorter one, what was known before is not true. */
  said({ created, lastSequence }: Pick<LogInfo, "created" | "lastSequence">): void {
    const known = this.#end?.created === created ? this.#end.sequence : 0;
    this.#end = { created, sequence: Math.max(known, lastSequence) };
  }

  /** Reason of a refused question; undefined when it was answered, or the server was unreachable. */
  get denied(): AccessDenied | undefined {
    return this.#denied;
  }

  /** Asks the log once, for all callers that wait for it. */
  readonly learn: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#asking !== undefined) return Deferred.await(this.#asking);
    const asking = Deferred.makeUnsafe<void>();
    this.#asking = asking;
    return this.#log.info.pipe(
      Effect.map((info) => {
        this.#denied = undefined;
        this.said(info);
      }),
      Effect.tapError((error) => Effect.sync(() => (this.#denied = deniedIn(error)))),
      Effect.ignore,
      Effect.ensuring(
        Effect.sync(() => {
          this.#asking = undefined;
          Deferred.doneUnsafe(asking, Effect.void);
        }),
      ),
    );
  });
}
