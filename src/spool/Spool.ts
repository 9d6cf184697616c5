/**
 * The spool: commands accepted while the log is away, kept on this machine's disk until the log has them.
 *
 * Room: spool. In: domain, log. Out: publish.
 *
 * Promises, each a test in `test/spool/`:
 * - what `put` returned for is on disk: a killed process loses none of it;
 * - `oldest` gives commands in the order of `put`, also to a later process, and to several processes on one file;
 * - a command leaves only by `forget` (the log has it) or `setAside` (the log can never take it; kept with the reason).
 *
 * A spool is of one target, the log its commands are meant for: two processes that share a file and speak to
 * different logs never deliver each other's commands.
 */
import { Context, type Effect, Schema } from "effect";
import type { NewEvent } from "../domain/Event.ts";
import type { History } from "../domain/History.ts";

/** Bytes that belong into the object store before the event that refers to them. */
export interface Blob {
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** An event for a history, with the blobs it refers to. Its id makes a second delivery harmless. */
export interface Command {
  readonly history: History;
  readonly event: NewEvent;
  readonly blobs: ReadonlyArray<Blob>;
}

export interface SpooledCommand extends Command {
  /** Ascends in the order of acceptance. */
  readonly position: number;
}

/** The spool cannot take or give a command: no disk, no room, no permission. */
export class SpoolUnavailable extends Schema.TaggedError<SpoolUnavailable>()("SpoolUnavailable", {
  reason: Schema.Literals(["notWritable", "full", "busy", "damaged", "other"]),
  file: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface SpoolState {
  /** Commands that wait for the log. */
  readonly waiting: number;
  /** When the oldest of them was accepted, epoch milliseconds. */
  readonly oldestAt: number | undefined;
  /** Commands that the log refused for ever; kept, with their reasons. */
  readonly setAside: number;
}

export class Spool extends Context.Service<
  Spool,
  {
    /** Keeps commands in this order, all or none. Returns when they are on disk. */
    readonly put: (commands: ReadonlyArray<Command>) => Effect.Effect<void, SpoolUnavailable>;
    /** The oldest waiting commands, at most `limit` and at least one if there is one; about `maxBytes` in all. */
    readonly oldest: (options: {
      readonly limit: number;
      readonly maxBytes: number;
    }) => Effect.Effect<ReadonlyArray<SpooledCommand>, SpoolUnavailable>;
    /** The log has them. Forgetting what is forgotten does nothing. */
    readonly forget: (positions: ReadonlyArray<number>) => Effect.Effect<void, SpoolUnavailable>;
    /** The log can never take it: out of the way of the others, and kept with the reason. */
    readonly setAside: (options: {
      readonly position: number;
      readonly reason: string;
    }) => Effect.Effect<void, SpoolUnavailable>;
    /**
     * Asks to be the one who delivers, for `millis` from now; asking again prolongs it. False when another process
     * is. Only order depends on it, never correctness: an owner that was suspended too long may meet its successor.
     */
    readonly lead: (options: {
      readonly owner: string;
      readonly millis: number;
    }) => Effect.Effect<boolean, SpoolUnavailable>;
    /** No longer the one who delivers. */
    readonly resign: (owner: string) => Effect.Effect<void, SpoolUnavailable>;
    readonly state: Effect.Effect<SpoolState, SpoolUnavailable>;
  }
>()("recollect/spool/Spool") {}
