/**
 * The snapshots of threads: a cache that may lose anything at any time.
 *
 * Room: snapshot.
 *
 * Promises, each a test in `test/contract/SnapshotStoreContract.ts`, kept by every layer:
 * - `get` gives a state that was put for this thread by this fold version, or none; never a part of one, never another
 *   thread's, never bytes that were changed on the way or written without the key;
 * - each put starts the life of a snapshot anew; after it the snapshot is gone;
 * - a `replace` never overwrites what another wrote in between;
 * - a thread of any valid name has a key of its own.
 *
 * Where the bytes lie is the business of a `SnapshotBucket`; how they are read is decided here, for all of them.
 */
import { Clock, Context, Effect, Layer, Option, Schema } from "effect";
import { type History, Sequence } from "../domain/History.ts";
import type { ThreadState } from "../domain/thread/Thread.ts";
import { encodeToken } from "../log/Subject.ts";
import * as SnapshotCodec from "./SnapshotCodec.ts";
import { SnapshotKey } from "./SnapshotKey.ts";

/** The bucket cannot be reached or did not answer in time. Go on without: a snapshot costs time, never truth. */
export class SnapshotUnavailable extends Schema.TaggedError<SnapshotUnavailable>()("SnapshotUnavailable", {
  reason: Schema.String,
  hint: Schema.optionalKey(Schema.String),
}) {
  override get message() {
    return this.reason;
  }
}

/** Bytes under a key, and what is needed to replace them. */
export interface Value {
  /** Absent when there is nothing, or nothing any more. */
  readonly bytes: Uint8Array | undefined;
  /** For `replace`; 0 when the key was never written. */
  readonly revision: number;
  /** Older than half of its life: put it again to keep it. */
  readonly isAgeing: boolean;
}

/** Named bytes with an age: one per layer. Keys are subject tokens joined by dots. */
export class SnapshotBucket extends Context.Service<
  SnapshotBucket,
  {
    readonly get: (key: string) => Effect.Effect<Value, SnapshotUnavailable>;
    readonly put: (key: string, bytes: Uint8Array) => Effect.Effect<void, SnapshotUnavailable>;
    /** Writes only if the key is still at `revision`; false when it is not. */
    readonly replace: (key: string, bytes: Uint8Array, revision: number) => Effect.Effect<boolean, SnapshotUnavailable>;
    readonly remove: (key: string) => Effect.Effect<void, SnapshotUnavailable>;
    readonly info: Effect.Effect<{ readonly keys: number; readonly bytes: number }, SnapshotUnavailable>;
  }
>()("recollect/snapshot/SnapshotBucket") {}

/** The store's answer for a thread. */
export interface Snapshot {
  readonly state: ThreadState | undefined;
  readonly revision: number;
  readonly isAgeing: boolean;
  /** Written with another key, or this process has none: it is not ours to replace. */
  readonly isForeign?: boolean;
}

/** Checkpoint of the snapshotter: all events up to `sequence` are in the snapshots it wrote, in the stream of `created`. */
export const Checkpoint = Schema.Struct({ sequence: Sequence, created: Schema.Finite });
export type Checkpoint = typeof Checkpoint.Type;

export class SnapshotStore extends Context.Service<
  SnapshotStore,
  {
    /** The snapshot of a thread, and the revision to `replace` it by, also when there is none to read. */
    readonly get: (history: History) => Effect.Effect<Snapshot, SnapshotUnavailable>;
    /** Keeps the state under the name of its thread, whatever was there. */
    readonly put: (state: ThreadState) => Effect.Effect<void, SnapshotUnavailable>;
    /** Keeps the state unless another was written since `revision`; says whether it did. */
    readonly replace: (state: ThreadState, revision: number) => Effect.Effect<boolean, SnapshotUnavailable>;
    readonly remove: (history: History) => Effect.Effect<void, SnapshotUnavailable>;
    readonly checkpoint: Effect.Effect<Checkpoint | undefined, SnapshotUnavailable>;
    readonly putCheckpoint: (checkpoint: Checkpoint) => Effect.Effect<void, SnapshotUnavailable>;
    /** Snapshots held, and the bytes they take; approximate while some expire. */
    readonly info: Effect.Effect<{ readonly keys: number; readonly bytes: number }, SnapshotUnavailable>;
  }
>()("recollect/snapshot/SnapshotStore") {}

/** Bounds and default of a snapshot's life: whoever comes back on the next day finds it, if not at the weekend. */
export const defaultTtlMillis = 24 * 3_600_000;

/** A thread in which nothing happened for so long rests, milliseconds: its snapshot is packed. One of no times was imported. */
const restsAfterMillis = 3_600_000;

/** `<tenant>.<id>`: two tokens, so no thread can take the checkpoint's key of one. */
export const keyOf = ({ tenant, id }: History): string => `${encodeToken(tenant)}.${encodeToken(id)}`;
export const checkpointKey = "checkpoint";

const CheckpointJson = Schema.fromJsonString(Checkpoint);
const decodeCheckpoint = Schema.decodeUnknownOption(CheckpointJson);
const encodeCheckpoint = Schema.encodeSync(CheckpointJson);

const make = Effect.gen(function* () {
  const bucket = yield* SnapshotBucket;
  const keyNow = yield* SnapshotKey;

  // Untraced: a span takes a tenth of a cold read.
  const get = Effect.fnUntraced(function* (history: History) {
    const key = keyNow();
    // Nothing would be believed, so nothing is asked for.
    if (key === undefined) return { state: undefined, revision: 0, isAgeing: false, isForeign: true };
    const { bytes, ...rest } = yield* bucket.get(keyOf(history));
    if (bytes !== undefined && SnapshotCodec.isOfAnotherKey(bytes, key))
      return { ...rest, state: undefined, isForeign: true };
    const state = bytes === undefined ? undefined : Option.getOrUndefined(SnapshotCodec.decode(bytes, key));
    const isOurs = state !== undefined && keyOf(state.history) === keyOf(history);
    return { ...rest, state: isOurs ? state : undefined };
  });

  const encoded = Effect.fnUntraced(function* (state: ThreadState) {
    const key = keyNow();
    if (key === undefined) return undefined;
    const now = yield* Clock.currentTimeMillis;
    const isPacked = now - (state.metadata.lastActivityAt ?? 0) > restsAfterMillis;
    return SnapshotCodec.encode(state, { key, isPacked });
  });

  const put = Effect.fn("snapshot.put")(function* (state: ThreadState) {
    const bytes = yield* encoded(state);
    if (bytes !== undefined) yield* bucket.put(keyOf(state.history), bytes);
  });

  const replace = Effect.fn("snapshot.replace")(function* (state: ThreadState, revision: number) {
    const bytes = yield* encoded(state);
    return bytes === undefined ? false : yield* bucket.replace(keyOf(state.history), bytes, revision);
  });

  return SnapshotStore.of({
    get,
    put,
    replace,
    remove: (history) => bucket.remove(keyOf(history)),
    checkpoint: Effect.map(bucket.get(checkpointKey), ({ bytes }) =>
      bytes === undefined ? undefined : Option.getOrUndefined(decodeCheckpoint(Buffer.from(bytes).toString("utf8"))),
    ),
    putCheckpoint: (checkpoint) => bucket.put(checkpointKey, Buffer.from(encodeCheckpoint(checkpoint), "utf8")),
    info: bucket.info,
  });
});

/** The store over whatever bucket there is. */
export const layer = Layer.effect(SnapshotStore, make);
