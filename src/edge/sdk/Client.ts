/**
 * The client that an entry point builds on, opened by its caller.
 *
 * Room: edge.
 *
 * Types only: an entry point loads nothing of the client itself.
 */
import type { Recollect } from "../../client/Recollect.ts";

export type { EventFold, HistoryEvent, RecollectHistory } from "../../client/sections/RecollectHistory.ts";
export type { AppendedEvent } from "../../publish/Publisher.ts";

/** Histories: what most entry points need. */
export type Histories = Pick<Recollect, "history">;
/** Texts between programs, too. */
export type HistoriesAndChannels = Pick<Recollect, "history" | "channel">;
