/**
 * Who is there now: one value per session that dies with the silence of its session.
 *
 * Room: coordination. In: domain, log (names of keys). Out: Sessions, SessionSweep, edge.
 *
 * Promises, each a test in `test/contract/SessionsContract.ts`, kept by every layer:
 * - a value is there until its session has been silent for `leaseMillis`, and then it is not;
 * - a `put` never overwrites what another wrote in between;
 * - `list` is the same for everybody who asks the same server.
 *
 * Presence is no record: it may be lost at any time, and its sessions then say again that they are there. What has
 * happened stands in the log (`session.started`, `session.resumed`, `session.ended`).
 */
import { Context, type Effect, Schema } from "effect";
import { Program } from "../domain/Content.ts";
import { encodeToken } from "../log/Subject.ts";

/** Presence cannot be read or written now. Sessions go on, and say again that they are there when it can. */
export class PresenceUnavailable extends Schema.TaggedError<PresenceUnavailable>()("PresenceUnavailable", {
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {}

export const Presence = Schema.Struct({
  tenant: Schema.String,
  sessionId: Schema.String,
  client: Schema.NullOr(Program),
  /** Where it runs: host name and process id. */
  machine: Schema.String,
  processId: Schema.Natural,
  /** When it began, epoch milliseconds, by its own clock. */
  since: Schema.Finite,
  /** What it works on at the moment, each in the order of joining. */
  threads: Schema.Array(Schema.String),
  tasks: Schema.Array(Schema.String),
  /** Tells two holders of one session id apart. */
  holder: Schema.String,
});
export type Presence = typeof Presence.Type;

export const PresenceJson = Schema.fromJsonString(Presence);

/** A presence as it stands in the bucket. */
export interface Present extends Presence {
  /** When it last said so, epoch milliseconds, by the server's clock. */
  readonly seenAt: number;
}

export interface Found {
  readonly present: Present | undefined;
  /** For `put`; 0 when the key was never written. */
  readonly revision: number;
}

/**
 * How long a session may be silent. Long enough for a server that is away to be found again (at most 10 s between two
 * dials) and for a beat that was lost; short enough that whoever looks is not told of a session that died a minute ago.
 */
export const defaultLeaseMillis = 30_000;

/** Two beats may be lost before the lease runs out. */
export const beatMillis = (leaseMillis: number): number => Math.ceil(leaseMillis / 3);

/** `<tenant>.<session>`: two tokens, so no session can take the key of another tenant's. */
export const keyOf = ({ tenant, sessionId }: Pick<Presence, "tenant" | "sessionId">): string =>
  `${encodeToken(tenant)}.${encodeToken(sessionId)}`;

export class PresenceBucket extends Context.Service<
  PresenceBucket,
  {
    /** How long a value lives after it was put. */
    readonly leaseMillis: number;
    readonly get: (of: Pick<Presence, "tenant" | "sessionId">) => Effect.Effect<Found, PresenceUnavailable>;
    /** Writes if the key is still at `revision`, and gives the new one; undefined when it is not. */
    readonly put: (presence: Presence, revision: number) => Effect.Effect<number | undefined, PresenceUnavailable>;
    readonly remove: (of: Pick<Presence, "tenant" | "sessionId">) => Effect.Effect<void, PresenceUnavailable>;
    /** Everybody who is there, of all tenants, in the order in which they last said so. */
    readonly list: Effect.Effect<ReadonlyArray<Present>, PresenceUnavailable>;
  }
>()("recollect/coordination/PresenceBucket") {}
