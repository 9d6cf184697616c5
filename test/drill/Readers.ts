/**
 * What a reader of one thing gets after the kills: a large entry's bytes, and a thread from its snapshot.
 *
 * As in `Checks`, sentences say what differs; none means that all is well.
 */
import { Effect } from "effect";
import { isDeepStrictEqual } from "node:util";
import { thread } from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as HistorySource from "../../src/snapshot/HistorySource.ts";
import { replay } from "../../src/snapshot/Replay.ts";
import { ThreadReader } from "../../src/snapshot/ThreadReader.ts";
import type { Held } from "./Checks.ts";

/** Every event that refers to bytes in the object store finds them there, whole. */
export const blobs = Effect.fn("drill.blobs")(function* (held: ReadonlyArray<Held>) {
  const log = yield* EventLog;
  const faults: Array<string> = [];
  const referring = held.filter(({ blob }) => blob !== undefined);
  for (const { blob = "", sequence } of referring) {
    const bytes = yield* log.getBlob(blob).pipe(Effect.catchTag("LogDamaged", () => Effect.succeed(undefined)));
    if (bytes === undefined) faults.push(`the bytes of the event at ${sequence} (${blob}) are lost or damaged`);
  }
  return { faults, count: referring.length };
});

/** Threads that are compared: folding one from its beginning reads its whole history. */
const sample = 25;

/** A thread read as everybody reads it, from its snapshot on, is what folding its whole history gives. */
export const snapshots = Effect.fn("drill.snapshots")(function* (threads: ReadonlySet<string>) {
  const log = yield* EventLog;
  const reader = yield* ThreadReader;
  const every = Math.max(1, Math.floor(threads.size / sample));
  const faults: Array<string> = [];
  for (const [index, id] of [...threads].entries()) {
    if (index % every !== 0) continue;
    const { state } = yield* replay({ log, source: HistorySource.none, history: thread(id), from: undefined });
    const read = yield* reader.get(id);
    if (!isDeepStrictEqual(read, state)) faults.push(`the thread ${id} reads otherwise than its history says`);
  }
  return faults;
});
