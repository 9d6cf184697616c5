/**
 * Where the stream ends at least, as far as one process knows: what it was told, and what it was acknowledged since.
 *
 * Room: publish. In: log, spool. Out: Delivery, Drain.
 *
 * A command that is accepted now can stand in the log only behind that, whatever became of the attempts to write it. So
 * whoever delivers it later, after a lost answer or an outage, looks for it there and nowhere else.
 */
import { Effect } from "effect";
import type { Sequence } from "../domain/History.ts";
import type { EventLog, StreamEnd } from "../log/EventLog.ts";
import type { Command } from "../spool/Spool.ts";

/** Where all of these stand behind, if they are in the log; undefined when that is not known of each. */
export const afterAll = (commands: ReadonlyArray<Command>): StreamEnd | undefined =>
  commands.reduce<StreamEnd | undefined>((earliest, { after }) => {
    if (earliest === undefined || after?.created !== earliest.created) return undefined;
    return after.sequence < earliest.sequence ? after : earliest;
  }, commands[0]?.after);

export class KnownEnd {
  readonly #log: EventLog["Service"];
  #end: StreamEnd | undefined;
  #isAsking = false;

  constructor(log: EventLog["Service"]) {
    this.#log = log;
  }

  /** Undefined while nothing is known of the stream. */
  get now(): StreamEnd | undefined {
    return this.#end;
  }

  /** What an earlier process knew. */
  begin(end: StreamEnd | undefined): void {
    this.#end ??= end;
  }

  /** An acknowledgement named this sequence. */
  reached(sequence: Sequence): void {
    if (this.#end !== undefined && sequence > this.#end.sequence) this.#end = { ...this.#end, sequence };
  }

  /** Asks the log, until it has answered once: of another stream, or a shorter one, what was known before is not true. */
  readonly learn: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#isAsking) return Effect.void;
    this.#isAsking = true;
    return this.#log.info.pipe(
      Effect.map(({ created, lastSequence }) => {
        const known = this.#end?.created === created ? this.#end.sequence : 0;
        this.#end = { created, sequence: Math.max(known, lastSequence) };
      }),
      Effect.ignore,
      Effect.ensuring(Effect.sync(() => (this.#isAsking = false))),
    );
  });
}
