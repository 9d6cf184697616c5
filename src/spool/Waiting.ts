/**
 * A thread as it will be when the log is back: its last known state, and on top of it what waits in the spool.
 *
 * Room: spool.
 *
 * A waiting command has no sequence yet. It is given the ones after the state's, so that it can be folded; they say nothing
 * of where the log will put it. So such a state is for reading, and never for a snapshot.
 */
import { shortId } from "../domain/Truncate.ts";
import type { RecordedEvent } from "../domain/Event.ts";
import type { Sequence } from "../domain/History.ts";
import * as Thread from "../domain/thread/Thread.ts";
import type { Command, SpooledCommand } from "./Spool.ts";

type Waiting = Command & Partial<Pick<SpooledCommand, "acceptedAt">>;

/** The events of commands that wait, as the log would give them back if it took them now, after that sequence. */
export const asRecorded = (commands: ReadonlyArray<Waiting>, after: Sequence): ReadonlyArray<RecordedEvent> =>
  commands.map(({ acceptedAt, event, history }, index) => ({
    ...event,
    body: typeof event.body === "string" ? Buffer.from(event.body, "utf8") : event.body,
    sequence: after + 1 + index,
    recordedAt: acceptedAt ?? event.occurredAt,
    history,
  }));

/**
 * Commands that the log does not have. A history is delivered in order, so all up to the last one that was met in the log
 * are in it. The log's own last event proves nothing: it may be another writer's, from after the delivery.
 */
export const undelivered = <C extends Waiting>(
  commands: ReadonlyArray<C>,
  isMet: (id: string) => boolean,
): ReadonlyArray<C> => commands.slice(commands.findLastIndex(({ event }) => isMet(event.id)) + 1);

const none: ReadonlySet<string> = new Set();

/**
 * The state with what waits on top; `commands` are those of its history, in order. Left out is what the state has already:
 * up to the last of them whose id is in `met`, or is that of the state's last event.
 */
export const onto = (
  state: Thread.ThreadState,
  commands: ReadonlyArray<Waiting>,
  met: ReadonlySet<string> = none,
): Thread.ThreadState => {
  const waiting = undelivered(commands, (id) => met.has(id) || shortId(id) === state.lastEventId);
  return Thread.fold(state, asRecorded(waiting, state.lastSequence));
};
