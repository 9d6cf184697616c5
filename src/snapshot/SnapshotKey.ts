/**
 * The key that vouches for snapshots: holders of it believe what was written with it, and nothing else.
 *
 * Room: snapshot.
 *
 * Decision: a process without the folder's key (a publisher on another machine) neither reads nor writes snapshots: it
 * folds from the log, which proves itself. A snapshot in the bucket is what any client of the server may write, and its
 * text would be given to an agent as the conversation.
 */
import { Context } from "effect";
import { createHash, randomBytes } from "node:crypto";

/** Bytes of a key: AES-256. */
export const keyBytes = 32;

export interface SnapshotKey {
  readonly secret: Uint8Array;
  /** Tells one key from another without saying anything of it. */
  readonly id: Uint8Array;
}

const idBytes = 4;

export const keyOf = (secret: Uint8Array): SnapshotKey => ({
  secret,
  id: createHash("sha256").update("recollect snapshot key").update(secret).digest().subarray(0, idBytes),
});

/** Of this process alone: what it has written itself is believed by it. For stores that no folder stands behind. */
export const ofThisProcess = keyOf(randomBytes(keyBytes));

/** Gives the key at each use; undefined while this process has none. */
export const SnapshotKey = Context.Reference<() => SnapshotKey | undefined>("recollect/snapshot/SnapshotKey", {
  defaultValue: () => () => ofThisProcess,
});
