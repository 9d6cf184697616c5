/**
 * Entries of the log as read models get them: large ones in place, lost ones refused.
 *
 * Room: projection.
 *
 * The ledger keeps the reference, as the event has it. A part that cannot be had for now (the log is away) is waited for;
 * one that is gone or damaged is a dead letter.
 */
import { Effect } from "effect";
import type { LogEntry } from "../../domain/Event.ts";
import { EventLog } from "../../log/EventLog.ts";
import * as LargeEntry from "../../log/read/LargeEntry.ts";
import type { Incoming } from "../ReadModel.ts";

const incomingOf = Effect.fnUntraced(function* (entry: LogEntry) {
  const found: Incoming = { entry };
  if (!LargeEntry.mayRefer(entry)) return found;
  const placed = yield* LargeEntry.placed(yield* EventLog, entry);
  if (placed._tag === "Lost") return { entry, refusal: placed.reason } satisfies Incoming;
  return placed.event === entry ? found : ({ entry, whole: placed.event } satisfies Incoming);
});

/** A batch with its large entries in place, in order. */
export const incomingOfAll = (entries: ReadonlyArray<LogEntry>) =>
  entries.some(LargeEntry.mayRefer)
    ? Effect.forEach(entries, incomingOf)
    : Effect.succeed(entries.map((entry): Incoming => ({ entry })));
