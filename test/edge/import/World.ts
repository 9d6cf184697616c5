/**
 * A small world to import into: the log in memory, a temporary folder, and a log that can be watched or broken.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem, Layer, Path, Stream } from "effect";
import { isMisfit, type RecordedEvent } from "../../../src/domain/Event.ts";
import { exportThread } from "../../../src/edge/export/Export.ts";
import { type ImportOptions, importPaths } from "../../../src/edge/import/Importer.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";

export const world = Layer.mergeAll(EventLogMemory.layer, NodeServices.layer);

/** Writes files, by relative path, into a new temporary folder. */
export const folderOf = Effect.fnUntraced(function* (files: Readonly<Record<string, string | Uint8Array>>) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-import-" });
  for (const [name, content] of Object.entries(files)) yield* write(path.join(folder, name), content);
  return folder;
});

export const write = Effect.fnUntraced(function* (file: string, content: string | Uint8Array) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  yield* fs.makeDirectory(path.dirname(file), { recursive: true });
  yield* fs.writeFile(file, typeof content === "string" ? Buffer.from(content, "utf8") : content);
});

export const importAll = (paths: string | ReadonlyArray<string>, options: Omit<ImportOptions, "paths"> = {}) =>
  importPaths({ paths: typeof paths === "string" ? [paths] : paths, ...options });

/** Events of the log behind a sequence, in order. */
export const eventsAfter = Effect.fnUntraced(function* (after: number) {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  if (lastSequence <= after) return [];
  const entries = yield* log.follow({ after }).pipe(
    Stream.takeUntil(({ sequence }) => sequence >= lastSequence),
    Stream.runCollect,
  );
  return [...entries].filter((entry): entry is RecordedEvent => !isMisfit(entry));
});

/** Every event of the log, in order. */
export const events = eventsAfter(0);

/** The ids of the threads in the log, in the order of their first events. */
export const threads = Effect.map(events, (all) => [
  ...new Set(all.filter(({ history }) => history.kind === "thread").map(({ history }) => history.id)),
]);

/** A thread as it is exported, in bytes. */
export const exportedBytes = (thread: string, format?: string) =>
  Effect.flatMap(exportThread({ thread, format }), (pieces) =>
    Effect.map(Stream.runCollect(pieces), (chunks) => Buffer.concat([...chunks])),
  );

export const exported = (thread: string, format?: string) =>
  Effect.map(exportedBytes(thread, format), (bytes) => bytes.toString("utf8"));

/** A Claude Code line. `uuid` makes it its own. */
export const claude = (session: string, uuid: string, more: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    parentUuid: null,
    sessionId: session,
    type: "user",
    message: { role: "user", content: uuid },
    uuid,
    timestamp: "2026-01-02T03:04:05.678Z",
    ...more,
  });

/** So many lines of one session. */
export const claudeLines = (session: string, from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `${claude(session, `${session}-${from + index}`)}\n`).join("");

/** Runs an effect against the same log, changed. */
export const withLog =
  (change: (log: EventLog["Service"]) => Partial<EventLog["Service"]>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.flatMap(EventLog, (log) => Effect.provideService(effect, EventLog, EventLog.of({ ...log, ...change(log) })));
