/**
 * A thread as it will be when the log is back: its last known state, and on top of it what waits in the spool.
 *
 * Room: spool.
 *
 * What waits has no sequence yet. It is given the ones after the state's, so that it can be folded; they say nothing
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
 * The state with what waits on top; `commands` are those of its history, in order. What the log has got meanwhile is
 * left out: a history is delivered in order, so all up to the state's last event are in it.
 */
export const onto = (state: Thread.ThreadState, commands: ReadonlyArray<Waiting>): Thread.ThreadState => {
  const delivered = commands.findLastIndex(({ event }) => shortId(event.id) === state.lastEventId);
  return Thread.fold(state, asRecorded(commands.slice(delivered + 1), state.lastSequence));
};
