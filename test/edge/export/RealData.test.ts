import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Layer, Stream } from "effect";
import { readFileSync } from "node:fs";
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

describe.skipIf(dataRoot === undefined)("a thread exported in its own format", () => {
  const root = dataRoot ?? "";
  const file = (...names: ReadonlyArray<string>) => join(root, ...names);

  it.effect("is byte for byte the lines of a Claude Code transcript, joined lines included", () =>
    Effect.gen(function* () {
      const path = file("claude-code-entire", "37_995ebed6e4_2.jsonl");
      yield* importPaths({ paths: [path] });
      const [id] = yield* threadsInLog;
      assert.strictEqual((yield* exported(id ?? "", "claude-code")).trimEnd(), readFileSync(path, "utf8").trimEnd());
    }).pipe(Effect.provide(layer)),
  );

  it.effect("is byte for byte each Codex rollout", () =>
    Effect.gen(function* () {
      const path = file("codex-rollouts");
      yield* importPaths({ paths: [path] });
      const { readdirSync } = yield* Effect.promise(() => import("node:fs"));
      const rollouts = readdirSync(path).filter((name) => name.endsWith("rollout.jsonl"));
      assert.isAbove(rollouts.length, 0);
      for (const name of rollouts) {
        const text = readFileSync(join(path, name), "utf8");
        const meta = JSON.parse(text.slice(0, text.indexOf("\n"))) as { readonly payload: { readonly id: string } };
        assert.strictEqual(yield* exported(meta.payload.id, "codex"), text);
      }
    }).pipe(Effect.provide(layer)),
  );

  it.effect("gives every conversation of a chat-completions file back, deep-equal", () =>
    Effect.gen(function* () {
      const { readdirSync } = yield* Effect.promise(() => import("node:fs"));
      const [name] = readdirSync(file("tau-bench-airline")).filter((each) => each.endsWith(".jsonl"));
      const path = file("tau-bench-airline", name ?? "");
      yield* importPaths({ paths: [path] });
      const wanted = jsonLines(readFileSync(path, "utf8"));
      const got: Array<unknown> = [];
      for (const id of yield* threadsInLog) got.push(...jsonLines(yield* exported(id, "openai-chat")));
      assert.deepStrictEqual(got, [...wanted]);
    }).pipe(Effect.provide(layer)),
  );

  it.effect("gives documents with a frame around their messages back, deep-equal", () =>
    Effect.gen(function* () {
      const { readdirSync } = yield* Effect.promise(() => import("node:fs"));
      for (const set of ["gemini-cli-entire", "who-and-when", "swe-agent"]) {
        const paths = readdirSync(file(set))
          .filter((name) => /\.(json|traj)$/.test(name))
          .map((name) => file(set, name));
        assert.isAbove(paths.length, 0);
        for (const path of paths) {
          const found = yield* Effect.gen(function* () {
            yield* importPaths({ paths: [path] });
            const [id] = yield* threadsInLog;
            return jsonLines(yield* exported(id ?? ""));
          }).pipe(Effect.provide(layer));
          assert.deepStrictEqual(found, [JSON.parse(readFileSync(path, "utf8"))], path);
        }
      }
    }),
  );

  it.effect("can be told in another format: roles, words and calls are those of the thread", () =>
    Effect.gen(function* () {
      yield* importPaths({ paths: [file("claude-code-entire", "37_995ebed6e4_2.jsonl")] });
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
