/**
 * The spool: commands accepted while the log is away, kept on this machine's disk until the log has them.
 *
 * Room: spool.
 *
 * Promises, each a test in `test/spool/`:
 * - what `put` returned for is on disk: a killed process loses none of it;
 * - `oldest` gives commands in the order of `put`, also to a later process, and to several processes on one file;
 * - a command leaves only by `forget` (the log has it) or by a person (`recollect spool discard`); `setAside` keeps
 *   what the log can never take, with the reason.
 *
 * A spool is of one target, the log its commands are meant for: two processes that share a file and speak to
 * different logs never deliver each other's commands.
 */
import { Context, type Effect, Schema } from "effect";
import type { NewEvent } from "../domain/Event.ts";
import type { History } from "../domain/History.ts";
import type { StreamEnd } from "../log/EventLog.ts";

/** Bytes that belong into the object store before the event that refers to them. */
export interface Blob {
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/**
 * Durability of a command before it counts as accepted.
 *
 * - `disk`: in the log, or in this machine's spool; refused when neither can take it. The default
 * - `log`: in the log; nothing else counts
 * - `memory`: with both unusable, a bounded number is held in this process, and lost if it dies first
 */
export type Durable = "disk" | "log" | "memory";

/** An event for a history, with the blobs it refers to. Its id makes a second delivery harmless. */
export interface Command {
  readonly history: History;
  readonly event: NewEvent;
  readonly blobs: ReadonlyArray<Blob>;
  /** The event's id was made for it just now: no log can have it before the first attempt to write it. */
  readonly isNew?: boolean | undefined;
  /** End of the stream before the first attempt to write a new command: in the log it stands after that. */
  readonly after?: StreamEnd | undefined;
  /** Each begins a history of its own, and the log takes all commands of this batch or none; they stand side by side. */
  readonly batch?: string | undefined;
  /** Default `disk`. */
  readonly durable?: Durable | undefined;
}

/** As `isNew` of a command that was put without its end: untried, and `after` is later than its acceptance. */
export interface SpooledCommand extends Command {
  /** Ascends in the order of acceptance. */
  readonly position: number;
  /** Time of acceptance, epoch milliseconds. */
  readonly acceptedAt: number;
  /** A person asked for its delivery after it was set aside: also behind later writers. */
  readonly isInsisted?: boolean;
}

/** The spool cannot take or give a command: no disk, no room, no permission. */
export class SpoolUnavailable extends Schema.TaggedError<SpoolUnavailable>()("SpoolUnavailable", {
  reason: Schema.Literals(["notWritable", "full", "busy", "damaged", "other"]),
  file: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/**
 * Decision: size is bounded by refusal, age by report. A full spool refuses (`full`), and the caller knows. A command
 * that waits for longer than this (`spool.overdueMillis` of the configuration) is said to be overdue by `recollect spool list`, by `recollect status` and in the
 * log, and waits on: ids are looked up in the history however old they are, so age makes no command wrong, and setting
 * it aside would lose the order of those behind it. A week is longer than a holiday without a network.
 */
export const overdueMillis = 7 * 24 * 3_600_000;

/** Default size limit of the file (`spool.maxBytes` of the configuration); a day of a busy agent is some 10 MB. */
export const defaultMaxFileBytes = 1024 ** 3;

export interface SpoolState {
  /** Commands that wait for the log. */
  readonly waiting: number;
  /** Acceptance time of the oldest of them, epoch milliseconds. */
  readonly oldestAt: number | undefined;
  /** The position of the newest of them; 0 when none waits. */
  readonly newest: number;
  /** Commands that the log refused for ever; kept, with their reasons. */
  readonly setAside: number;
  /** Age from which a waiting command is overdue, milliseconds. */
  readonly overdueMillis: number;
}

export class Spool extends Context.Service<
  Spool,
  {
    /** Is another one after each `put` of any process: whether it is worth a look, for microseconds. */
    readonly mark: () => string;
    /** Keeps commands in this order, all or none. Returns when they are on disk: the position of the last one. */
    readonly put: (commands: ReadonlyArray<Command>) => Effect.Effect<number, SpoolUnavailable>;
    /** True when a command waits behind a position and up to another one. */
    readonly isWaiting: (options: {
      readonly after: number;
      readonly upTo: number;
    }) => Effect.Effect<boolean, SpoolUnavailable>;
    /** The positions of the oldest and the newest waiting command; undefined when none waits. */
    readonly range: Effect.Effect<{ readonly oldest: number; readonly newest: number } | undefined, SpoolUnavailable>;
    /**
     * The oldest waiting commands behind a position (default: all), at most `limit` and at least one if there is one;
     * about `maxBytes` in all. `end` is where the stream ends now, from the process about to deliver them: it is on
     * disk, before this returns, as the end of those new ones that were never tried.
     */
    readonly oldest: (options: {
      readonly limit: number;
      readonly maxBytes: number;
      readonly after?: number;
      readonly end?: StreamEnd;
    }) => Effect.Effect<ReadonlyArray<SpooledCommand>, SpoolUnavailable>;
    /**
     * Commands that wait for one history, in order, whichever process accepted them; without the bytes of blobs. One that has just
     * been delivered may still be among it: the event's id tells.
     */
    readonly waitingFor: (history: History) => Effect.Effect<ReadonlyArray<SpooledCommand>, SpoolUnavailable>;
    /** The bytes of a blob that a command here refers to; undefined when none does, or they have changed. */
    readonly blob: (sha256: string) => Effect.Effect<Uint8Array | undefined, SpoolUnavailable>;
    /** End of the stream that the newest waiting command knew; undefined when none waits or it knew nothing. */
    readonly newestEnd: Effect.Effect<StreamEnd | undefined, SpoolUnavailable>;
    /** The log has them. Forgetting what is forgotten does nothing. */
    readonly forget: (positions: ReadonlyArray<number>) => Effect.Effect<void, SpoolUnavailable>;
    /** The log can never take it: out of the way of the others, and kept with the reason. */
    readonly setAside: (options: {
      readonly position: number;
      readonly reason: string;
    }) => Effect.Effect<void, SpoolUnavailable>;
    /** The log has it, but in another thread, because in its own it could not stand: forgotten and reported. */
    readonly forked: (options: {
      readonly position: number;
      readonly into: History;
      readonly reason: string;
    }) => Effect.Effect<void, SpoolUnavailable>;
    /**
     * Asks to be the one who delivers, for `millis` from now; asking again prolongs it. False when another process of
     * this machine is, and lives. It saves work twice done, nothing more: two who deliver at once read the same oldest
     * commands, and what one of them has written the other finds in the log.
     */
    readonly lead: (options: {
      readonly owner: Owner;
      readonly millis: number;
    }) => Effect.Effect<boolean, SpoolUnavailable>;
    /** No longer the one who delivers. */
    readonly resign: (owner: Owner) => Effect.Effect<void, SpoolUnavailable>;
    readonly state: Effect.Effect<SpoolState, SpoolUnavailable>;
  }
>()("recollect/spool/Spool") {}

/** A delivering party: a process, and a token that tells several in it apart. */
export interface Owner {
  readonly pid: number;
  readonly name: string;
}
