/**
 * A batch of commands that each begin a history of their own: taken from the spool whole, and into the log whole.
 *
 * Room: publish.
 */
import { Effect } from "effect";
import { maxAppendBytes } from "../../log/append/AppendCheck.ts";
import { type EventLog, maxEventsPerAppend } from "../../log/EventLog.ts";
import type { Command, Spool, SpooledCommand, SpoolUnavailable } from "../../spool/Spool.ts";
import { putBlobs } from "./WriteCommand.ts";

/** The largest append as the spool spells it: JSON in JSON is twice as long at most, and each command has its frame. */
const maxSpooledBytes = 3 * maxAppendBytes;

/** All commands of the batch of `first`, which is the oldest behind a position: the spool took them in one step. */
export const batchOf = (
  spool: Spool["Service"],
  first: SpooledCommand,
  after: number,
): Effect.Effect<ReadonlyArray<SpooledCommand>, SpoolUnavailable> => {
  const { batch } = first;
  if (batch === undefined) return Effect.succeed([first]);
  return Effect.map(spool.oldest({ limit: maxEventsPerAppend, maxBytes: maxSpooledBytes, after }), (commands) => {
    const others = commands.findIndex((command) => command.batch !== batch);
    return others < 0 ? commands : commands.slice(0, others);
  });
};

/** Appends all or none. A `SequenceConflict`: one of the histories has begun. */
export const beginAll = (log: EventLog["Service"], commands: ReadonlyArray<Command>) =>
  Effect.andThen(
    putBlobs(log, commands),
    log.appendAll(commands.map(({ event, history }) => ({ history, events: [event], expected: 0 }))),
  );
