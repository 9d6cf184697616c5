/**
 * Presence of sessions: one value per session, which ends with the silence of its session.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/SessionsContract.ts`, kept by every layer:
 * - a value is there until its session has been silent for `leaseMillis`, and then it is not;
 * - a `put` never overwrites what another wrote in between;
 * - `list` is the same in every process on the same server.
 *
 * Presence is no record: it may be lost at any time, and its sessions then say again that they are there. Events of the past
 * stand in the log (`session.started`, `session.resumed`, `session.ended`).
 *
 * Decision: a `quick` bucket and not one in memory, because that is empty after a restart of the server: every session
 * would have lost its lease, and the log would have an event of each.
 */
import { Context, Effect, Layer, Option, Schema } from "effect";
import { Program } from "../../domain/thread/Content.ts";
import { Buckets, type BucketError, type Entry, keyOf as bucketKeyOf, type Settings } from "../bucket/Bucket.ts";

/** Presence cannot be read or written now. Sessions go on, and say again that they are there when it can. */
export class PresenceUnavailable extends Schema.TaggedError<PresenceUnavailable>()("PresenceUnavailable", {
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    return this.reason;
  }
}

export const Presence = Schema.Struct({
  tenant: Schema.String,
  sessionId: Schema.String,
  client: Schema.NullOr(Program),
  /** Host name and process id. */
  machine: Schema.String,
  processId: Schema.Natural,
  /** Time of its beginning, epoch milliseconds, by its own clock. */
  since: Schema.Finite,
  /** Threads and tasks that it works on, each in the order of joining. */
  threads: Schema.Array(Schema.String),
  tasks: Schema.Array(Schema.String),
  /** Tells two holders of one session id apart. */
  holder: Schema.String,
});
export type Presence = typeof Presence.Type;

/** A presence as it stands in the bucket. */
export interface Present extends Presence {
  /** Time of its last beat, epoch milliseconds, by the server's clock. */
  readonly seenAt: number;
}

export interface Found {
  readonly present: Present | undefined;
  /** For `put`; 0 when the key was never written. */
  readonly revision: number;
}

/**
 * Longest silence of a session, milliseconds. Long enough for a server to be found again (at most 10 s between two dials)
 * and for a beat that was lost; short enough that no list has a session that died a minute ago.
 */
export const defaultLeaseMillis = 30_000;

/** Two beats may be lost before the lease runs out. */
export const beatMillis = (leaseMillis: number): number => Math.ceil(leaseMillis / 3);

export const bucketName = "RECOLLECT_SESSIONS";

const settingsOf = (leaseMillis: number): Settings => ({
  name: bucketName,
  description: "Recollect: sessions that are there now. May be deleted at any time.",
  storage: "quick",
  ttlMillis: leaseMillis,
  // 100,000 sessions at 600 bytes: beyond that the longest silent ones go first.
  maxBytes: 64 * 1024 * 1024,
  // 200 names of 200 bytes are 40 KB, and JSON may write a byte as six.
  maxValueBytes: 256 * 1024,
  whenFull: "forget",
});

export type Named = Pick<Presence, "tenant" | "sessionId">;

export const keyOf = ({ sessionId, tenant }: Named): string => bucketKeyOf(tenant, sessionId);

export class PresenceBucket extends Context.Service<
  PresenceBucket,
  {
    /** Life of a value after it was put, milliseconds. */
    readonly leaseMillis: number;
    readonly get: (of: Named) => Effect.Effect<Found, PresenceUnavailable>;
    /** Writes if the key is still at `revision`, and gives the new one; undefined when it is not. */
    readonly put: (presence: Presence, revision: number) => Effect.Effect<number | undefined, PresenceUnavailable>;
    readonly remove: (of: Named) => Effect.Effect<void, PresenceUnavailable>;
    /** Sessions that are there, of all tenants, in the order of their last beats. */
    readonly list: Effect.Effect<ReadonlyArray<Present>, PresenceUnavailable>;
  }
>()("recollect/coordination/PresenceBucket") {}

export interface Options {
  /** Default 30 s. All programs of one server share it: other values are for tests. */
  readonly leaseMillis?: number | undefined;
}

const PresenceJson = Schema.fromJsonString(Presence);
const decode = Schema.decodeUnknownOption(PresenceJson);
const encode = Schema.encodeSync(PresenceJson);

/** Undefined for what another program wrote there in another shape. */
const presentOf = ({ value, writtenAt }: Entry): Present | undefined => {
  if (value === undefined) return undefined;
  const presence = decode(Buffer.from(value).toString("utf8"));
  return Option.getOrUndefined(Option.map(presence, (there) => ({ ...there, seenAt: writtenAt })));
};

const unavailable = ({ reason }: BucketError) =>
  new PresenceUnavailable({ reason, hint: "Sessions go on; `recollect sessions --all` reads the database." });

export const make = Effect.fnUntraced(function* (options: Options) {
  const leaseMillis = options.leaseMillis ?? defaultLeaseMillis;
  const bucket = yield* (yield* Buckets).open(settingsOf(leaseMillis));
  return PresenceBucket.of({
    leaseMillis,
    get: (of) =>
      bucket.get(keyOf(of)).pipe(
        Effect.map((entry): Found => ({ present: presentOf(entry), revision: entry.revision })),
        Effect.mapError(unavailable),
      ),
    put: (presence, revision) =>
      bucket.replace(keyOf(presence), Buffer.from(encode(presence)), revision).pipe(Effect.mapError(unavailable)),
    remove: (of) => bucket.remove(keyOf(of)).pipe(Effect.asVoid, Effect.mapError(unavailable)),
    list: bucket.entries(">").pipe(
      Effect.map((entries) => entries.flatMap((entry) => presentOf(entry) ?? [])),
      Effect.mapError(unavailable),
    ),
  });
});

/** Over whatever buckets there are. */
export const layer = (options: Options = {}) => Layer.effect(PresenceBucket, make(options));
