import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import { join } from "node:path";
import { exportThread } from "../../../src/edge/export/Export.ts";
import { importPaths } from "../../../src/edge/import/Importer.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as EventLogMemory from "../../../src/log/EventLogMemory.ts";
import * as SnapshotStore from "../../../src/snapshot/SnapshotStore.ts";
import * as SnapshotStoreMemory from "../../../src/snapshot/SnapshotStoreMemory.ts";
import * as ThreadReader from "../../../src/snapshot/ThreadReader.ts";
import { dataRoot } from "../../domain/realEntries.ts";

const layer = ThreadReader.layer().pipe(
  Layer.provideMerge(SnapshotStore.layer),
  Layer.provideMerge(SnapshotStoreMemory.layer()),
  Layer.provideMerge(EventLogMemory.layer),
  Layer.provideMerge(NodeServices.layer),
);

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

/** Every thread that an import left in the log. */
const threadsInLog = Effect.gen(function* () {
  const log = yield* EventLog;
  const { lastSequence } = yield* log.info;
  const ids = new Set<string>();
  yield* log.follow({ after: 0 }).pipe(
    Stream.takeUntil(({ sequence }) => sequence >= lastSequence),
    Stream.runForEach((entry) =>
      Effect.sync(() => {
        if ("history" in entry && entry.history.kind === "thread") ids.add(entry.history.id);
      }),
    ),
  );
  return [...ids];
});

const exported = (thread: string, format?: string) =>
  Effect.flatMap(exportThread({ thread, format }), (pieces) =>
    Effect.map(Stream.runCollect(pieces), (chunks) => Buffer.concat([...chunks]).toString("utf8")),
  );

const jsonLines = (text: string): ReadonlyArray<unknown> =>
  text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line): unknown => JSON.parse(line));

/** Export in the own format of a set is in `test/edge/import/RealData.test.ts`. */
describe.skipIf(dataRoot === undefined)("a thread exported", () => {
  it.effect("can be told in another format: roles, words and calls are those of the thread", () =>
    Effect.gen(function* () {
      yield* importPaths({ paths: [join(dataRoot ?? "", "claude-code-entire", "37_995ebed6e4_2.jsonl")] });
      const [id] = yield* threadsInLog;
      const [chat] = jsonLines(yield* exported(id ?? "", "openai-chat")) as ReadonlyArray<{
        readonly messages: ReadonlyArray<Record<string, unknown>>;
      }>;
      const calls = (chat?.messages ?? []).flatMap(({ tool_calls: made }) => (Array.isArray(made) ? made : []));
      const results = (chat?.messages ?? []).filter(({ role }) => role === "tool");
      assert.strictEqual(calls.length, 41);
      assert.strictEqual(results.length, 41);
      assert.isAbove(jsonLines(yield* exported(id ?? "", "codex")).length, 82);
    }).pipe(Effect.provide(layer)),
  );
});
