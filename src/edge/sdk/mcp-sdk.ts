/**
 * MCP SDK for TypeScript: an `EventStore` for resumable streams (versions 1 and 2), and version 1's `TaskStore`.
 *
 * Room: edge.
 *
 * Messages that a server sent lie in a history of their session. A task of the SDK is a task like every other: lists, SQL and
 * other doors see it and may cancel it. Read from @modelcontextprotocol/sdk 1.32.2 and @modelcontextprotocol/server 2.4.0.
 */
import { randomUUID } from "node:crypto";
import type { EventFold, Histories } from "./Client.ts";
import { newId } from "./Appending.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";
import { type Stored, stored, storedValue, textOf } from "./StoredValue.ts";
import { boundedId } from "../import/ThreadIds.ts";

export { taskStore, type McpTask, type McpTaskStore } from "./McpTasks.ts";
export { SdkRefused } from "./SdkRefused.ts";

const sent = "x.mcp.sent";

interface Sent {
  readonly stream: string;
}

interface Place {
  readonly id: string;
  readonly stream: string;
  readonly sequence: number;
}

/** Places of the messages: the messages themselves are read when they are sent again. */
const places: EventFold<Listed<Place>> = {
  initial: none,
  apply: (state, { data, id, sequence, type }) =>
    type === sent ? added(state, { id, stream: (data as Sent).stream, sequence }) : state,
};

export interface EventStoreOptions {
  /**
   * Names the messages of one session: give the session's id, and a server that was started again, or another one, resumes
   * it. Default: a name of its own, known to this store only.
   */
  readonly session?: string | undefined;
}

export interface McpEventStore {
  /** Durable when it resolves: in the log, or with the log unreachable on this machine. */
  storeEvent(streamId: string, message: unknown): Promise<string>;
  getStreamIdForEventId(eventId: string): Promise<string | undefined>;
  /** Sends what was stored of the event's stream after it, in order. Resolves with the stream's id, "" for an unknown event. */
  replayEventsAfter(
    lastEventId: string,
    options: { send: (eventId: string, message: unknown) => Promise<void> },
  ): Promise<string>;
}

/** Messages of one session: one store for each transport, because every session calls its own stream alike. */
export const eventStore = (recollect: Histories, options: EventStoreOptions = {}): McpEventStore => {
  const history = recollect.history({ session: boundedId(`mcp-events/${options.session ?? randomUUID()}`) });
  const placeOf = async (eventId: string): Promise<Place | undefined> =>
    toArray((await history.folded(places)).state).find(({ id }) => id === eventId);
  return {
    storeEvent: async (stream, message) => {
      const { blobs, value } = stored(textOf(message));
      const { eventId } = await history.publish({ id: newId(), type: sent, data: { stream, ...value }, blobs });
      return eventId;
    },
    getStreamIdForEventId: async (eventId) => (await placeOf(eventId))?.stream,
    replayEventsAfter: async (lastEventId, { send }) => {
      const from = await placeOf(lastEventId);
      if (from === undefined) return "";
      const events = await history.read({ after: from.sequence - 1, types: [sent] });
      const behind = events.slice(events.findIndex(({ id }) => id === lastEventId) + 1);
      for (const { data, id } of behind) {
        if ((data as Sent).stream === from.stream) await send(id, await storedValue(history, data as Stored));
      }
      return from.stream;
    },
  };
};
