/**
 * The event log: the one place where facts become durable.
 *
 * Room: log.
 *
 * Promises, each a test in `test/contract/EventLogContract.ts`, kept by every layer:
 * - an append is all or nothing, whether it writes one event or many histories;
 * - what was acknowledged is on disk and is never changed;
 * - an event id that stands with other content is refused, and never taken for a duplicate;
 * - the same event id twice is one event: also after a lost acknowledgement, beyond the server's duplicate
 *   window, after a restore, on one node and on three;
 * - of two writers that expect the same sequence exactly one wins;
 * - of many appends at once each has an outcome that it could have had alone, and those of one process to one history
 *   are written in the order of the calls;
 * - `read` and `follow` give ascending sequences, without a hole and without a duplicate.
 */
import { Context, type Effect, Schema, type Stream } from "effect";
import type { LogEntry, NewEvent, RecordedEvent } from "../domain/Event.ts";
import { History, Sequence } from "../domain/History.ts";
import { LogConditionName } from "./connection/LogCondition.ts";

/** Another writer appended to the history first. Normal life: read on from `expected`, decide again, append again. */
export class SequenceConflict extends Schema.TaggedError<SequenceConflict>()("SequenceConflict", {
  history: History,
  expected: Sequence,
  /** The last sequence the history really has; absent when the server did not say. */
  actual: Schema.optionalKey(Sequence),
}) {
  override get message() {
    return `Somebody else wrote to the ${this.history.kind} ${this.history.id} first: expected was sequence ${this.expected}${this.actual === undefined ? "" : `, it is at ${this.actual}`}.`;
  }
}

/** These events can never be appended as they are: too large, an invalid id, too many at once. Retrying is useless. */
export class AppendRefused extends Schema.TaggedError<AppendRefused>()("AppendRefused", {
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
  /** Event id that stands for another event already. */
  takenId: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    return this.reason;
  }
}

/**
 * The log cannot be reached, did not answer in time, has no room, or has too much to write. An append may or may not have happened:
 * the same append with the same ids is safe.
 */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", {
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
  /** Cause, where the log is not merely unreachable: another stream, none, one that must not be written to. */
  condition: Schema.optionalKey(LogConditionName),
  /**
   * The server is there and does not let us: what it does not, `publish to recollect.acme.thread.t1` or `connect`. Absent:
   * it is away, or has no room.
   */
  denied: Schema.optionalKey(Schema.String),
  /** Denied by a quota that has room again after this. */
  retryAfterMillis: Schema.optionalKey(Schema.Finite),
}) {
  override get message() {
    return this.reason;
  }
}

/**
 * The server is there and does not let this program do it: wrong or missing credentials, or a permission that its user does
 * not have. Never taken for a log that is away: nothing is spooled, and the same call fails again until the permission is given.
 */
export class AccessDenied extends Schema.TaggedError<AccessDenied>()("AccessDenied", {
  message: Schema.String,
  /** Missing permission: `publish to SUBJECT`, `subscribe to SUBJECT`, `connect`; or a used quota: `quotas.TENANT.NAME`. */
  permission: Schema.String,
  hint: Schema.String,
  /** Time until a used quota has room again; absent where waiting does not help. */
  retryAfterMillis: Schema.optionalKey(Schema.Finite),
}) {}

/** True for a denied permission that is a quota of the tenant: the same write may go later. */
export const isQuota = (denied: string): boolean => denied.startsWith("quotas");

/** Denied permission of an error of the log; undefined for other errors. */
export const deniedIn = ({ denied, hint, reason, retryAfterMillis }: LogUnavailable): AccessDenied | undefined =>
  denied === undefined
    ? undefined
    : new AccessDenied({
        message: denied === "connect" || isQuota(denied) ? reason : `The server does not let this user ${denied}.`,
        permission: denied,
        hint:
          hint ??
          (isQuota(denied)
            ? "An operator of the store changes it: recollect config set quotas.TENANT."
            : "Whoever runs the server gives rights: recollect access add NAME --role ROLE, or its own configuration."),
        ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
      });

/** True where a history cannot be read because the stream lacks events: waiting does not help, and others may be whole. */
export const isDamage = ({
  _tag,
  condition,
}: {
  readonly _tag: string;
  readonly condition?: LogUnavailable["condition"];
}) => _tag === "LogUnavailable" && condition === "streamDamaged";

/** An event that must be there is missing: a hole in the stream. `recollect verify` says more. */
export class LogDamaged extends Schema.TaggedError<LogDamaged>()("LogDamaged", {
  /** The first sequence that is missing. */
  sequence: Sequence,
  /** The last one of the gap, where it was found; reading can go on behind it. Absent: `sequence` alone. */
  through: Schema.optionalKey(Sequence),
  reason: Schema.String,
}) {
  override get message() {
    return `Sequence ${this.sequence} of the log cannot be read: ${this.reason}`;
  }
}

/**
 * Expectation of a writer about the history it appends to.
 *
 * A sequence: the last one it has seen (0: it must be new). The writer vouches that it has seen the history up to
 * there and that none of its events is in it. `"any"`: the writer has seen nothing; the log itself makes sure that
 * no event is written twice.
 */
export type Expected = Sequence | "any";

/** End of a stream at some moment: its identity (see `LogInfo.created`) and last sequence. */
export const StreamEnd = Schema.Struct({ created: Schema.Finite, sequence: Sequence });
export type StreamEnd = typeof StreamEnd.Type;

export interface Append {
  readonly history: History;
  /** 1 to `maxEventsPerAppend`, in order. */
  readonly events: ReadonlyArray<NewEvent>;
  readonly expected: Expected;
  /**
   * The caller vouches that none of these ids can stand in that stream up to there, because no attempt was made to append
   * them when it ended so: whoever looks for them begins behind it. Absent: as far as their times say, a day before they
   * were made; of ids without a time, and ids that the server may have forgotten, the whole history is read, once.
   */
  readonly after?: StreamEnd | undefined;
}

export interface Appended {
  /** Sequence of the last event of the append; for a duplicate, the one it has had all along. */
  readonly sequence: Sequence;
  /** True when every event was there already. */
  readonly duplicate: boolean;
}

export interface LogInfo {
  /** Creation time of the stream, epoch milliseconds: changes when it is recreated or restored. */
  readonly created: number;
  /** The first and last sequence held; both 0 for an empty stream. */
  readonly firstSequence: Sequence;
  readonly lastSequence: Sequence;
  readonly messages: number;
  readonly bytes: number;
}

/** Most events in one append or one `appendAll`: nats-server's limit for an atomic batch (`limits.batch.max_msgs`). */
export const maxEventsPerAppend = 1000;

export type AppendError = SequenceConflict | AppendRefused | LogUnavailable;

export class EventLog extends Context.Service<
  EventLog,
  {
    /**
     * Appends `events` to one history, all or none, and returns when they are on disk.
     *
     * With a sequence expected, a conflict whose newer events include all of these is no conflict but a duplicate.
     * Some of the ids present and some not is a `SequenceConflict`.
     */
    readonly append: (append: Append) => Effect.Effect<Appended, AppendError>;
    /** Several histories at once, all or none; at most `maxEventsPerAppend` events in all, each history once. */
    readonly appendAll: (appends: ReadonlyArray<Append>) => Effect.Effect<ReadonlyArray<Appended>, AppendError>;
    /** One history in order, from the event after `after` (default 0) to the last one at the time of the call. */
    readonly read: (options: {
      readonly history: History;
      readonly after?: Sequence;
    }) => Stream.Stream<RecordedEvent, LogUnavailable>;
    /**
     * Fails where the stream is known to lack events behind a sequence (default 0): what the log alone tells of any history
     * behind it may be cut short then. Costs nothing while none are known to be missing.
     */
    readonly whole: (after?: Sequence) => Effect.Effect<void, LogUnavailable>;
    /** The last event of a history, or undefined; never older than what this process itself has appended. */
    readonly last: (history: History) => Effect.Effect<RecordedEvent | undefined, LogUnavailable>;
    /** Entry at a sequence, or undefined. */
    readonly at: (sequence: Sequence) => Effect.Effect<LogEntry | undefined, LogUnavailable>;
    /**
     * Everything after a sequence, then live, without end; misfits included, so that no number is missing.
     * With `history`, only its events. Reconnects by itself; fails within seconds of having come so far when the stream has a
     * hole, was rolled back or is gone, when the server is another one, and when this user may not follow. `patienceMillis`:
     * fails too when the log is away for so long; absent: it is waited for. `until`: ends when all up to there was given, also
     * for a tenant's program, to which the last of them may not belong; not of one history, which may have nothing at that end.
     */
    readonly follow: (
      options: { readonly after: Sequence; readonly patienceMillis?: number } & (
        | { readonly history?: History; readonly until?: undefined }
        | { readonly history?: undefined; readonly until?: Sequence }
      ),
    ) => Stream.Stream<LogEntry, LogUnavailable | LogDamaged>;
    /** Reach of the log. */
    readonly info: Effect.Effect<LogInfo, LogUnavailable>;
    /**
     * Keeps bytes too large for an event under their SHA-256 (lower-case hexadecimal). The same bytes twice are kept once.
     * `tenant`: owner of the event that names them, whose quota they count against; absent: none is counted.
     */
    readonly putBlob: (
      bytes: Uint8Array,
      tenant?: string,
    ) => Effect.Effect<{ readonly sha256: string; readonly bytes: number }, LogUnavailable>;
    /** The bytes of a blob, or undefined. Bytes that do not match their name are `LogDamaged`. */
    readonly getBlob: (sha256: string) => Effect.Effect<Uint8Array | undefined, LogUnavailable | LogDamaged>;
  }
>()("recollect/log/EventLog") {}
