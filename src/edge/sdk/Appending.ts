/**
 * The appends of an entry point: decided on the history as it is, or with the log unreachable kept on this machine.
 *
 * Room: edge.
 */
import { fromTime } from "../../domain/EventId.ts";
import type { AppendedEvent, EventFold, RecollectHistory } from "./Client.ts";
import { isUnavailable } from "./SdkRefused.ts";

/** A UUIDv7: the log finds by its time whether an event of this id is there. */
export const newId = (): string => {
  const words = crypto.getRandomValues(new Uint32Array(3));
  return fromTime(Date.now(), [words[0] ?? 0, words[1] ?? 0, words[2] ?? 0]);
};

/** Events of one append, and their bytes: below what the log takes at once. */
const mostEvents = 400;
const mostBytes = 1024 * 1024;

/** Lists of events that each go into one append. */
export const chunksOf = (events: ReadonlyArray<AppendedEvent>): ReadonlyArray<ReadonlyArray<AppendedEvent>> => {
  const chunks: Array<Array<AppendedEvent>> = [];
  let bytes = 0;
  for (const event of events) {
    const own = Buffer.byteLength(JSON.stringify(event.data), "utf8");
    const last = chunks.at(-1);
    if (last === undefined || last.length >= mostEvents || bytes + own > mostBytes) {
      chunks.push([event]);
      bytes = own;
    } else {
      last.push(event);
      bytes += own;
    }
  }
  return chunks;
};

/**
 * Appends what `make` says of the state, in order; several appends when it is much. With the log unreachable the events
 * are accepted on this machine, made without a state: ids that they have must not depend on it.
 */
export const decideOrKeep = async <State>(
  history: RecollectHistory,
  fold: EventFold<State>,
  make: (state: State | undefined) => ReadonlyArray<AppendedEvent>,
  deciding: { readonly guess?: boolean } = {},
): Promise<State | undefined> => {
  let tried: ReadonlyArray<AppendedEvent> | undefined;
  try {
    let chunks: ReadonlyArray<ReadonlyArray<AppendedEvent>> = [];
    let { state } = await history.decide(
      fold,
      (now) => {
        tried = make(now);
        chunks = chunksOf(tried);
        return chunks[0] ?? [];
      },
      deciding,
    );
    for (const chunk of chunks.slice(1)) ({ state } = await history.decide(fold, () => chunk));
    return state;
  } catch (error) {
    if (!isUnavailable(error)) throw error;
    // A tried append may be there: with its ids it is there once.
    for (const event of tried ?? make(undefined)) await history.publish(event);
    return undefined;
  }
};
