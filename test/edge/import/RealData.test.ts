/**
 * Every set of real transcripts: what is exported is what came in, thread by thread, entry by entry.
 */
import { assert, describe, layer } from "@effect/vitest";
import { Context, Effect, Layer } from "effect";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { countsOf, factsIn } from "./counts.ts";
import { dataRoot } from "../../domain/realEntries.ts";
import type { ImportReport } from "../../../src/edge/import/Report.ts";
import type { RecordedEvent } from "../../../src/domain/Event.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { eventsAfter, exported, folderOf, importAll, threads, world } from "./World.ts";

if (dataRoot === undefined)
  console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");

const root = dataRoot ?? "";

const filesOf = (set: string, pattern: RegExp): ReadonlyArray<string> =>
  readdirSync(join(root, set))
    .filter((name) => pattern.test(name) && !/^(?:README|LICENSE)/.test(name))
    .toSorted()
    .map((name) => join(root, set, name));

const linesOf = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line.trim() !== "");

const sorted = (values: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  values.map((value) => JSON.stringify(value)).toSorted();

/** All exports of these threads, each parsed line by line. */
const everythingOf = Effect.fnUntraced(function* (ids: ReadonlyArray<string>, format?: string) {
  const documents: Array<unknown> = [];
  for (const id of ids) {
    for (const line of linesOf(yield* exported(id, format))) documents.push(JSON.parse(line));
  }
  return documents;
});
const everything = Effect.flatMap(threads, (ids) => everythingOf(ids));

interface Came {
  readonly report: ImportReport;
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly threads: ReadonlyArray<string>;
}

/** Every set in one log, one after the other: the report of each, and what came with it. */
class Sets extends Context.Service<Sets, (set: string) => Came>()("recollect/test/Sets") {}

const together = Layer.effect(
  Sets,
  Effect.gen(function* () {
    const log = yield* EventLog;
    const found = new Map<string, Came>();
    let after = 0;
    for (const set of readdirSync(root).toSorted()) {
      const report = yield* importAll(join(root, set));
      const { lastSequence } = yield* log.info;
      const events = yield* eventsAfter(after);
      found.set(set, { report, events, threads: [...new Set(events.map(({ history }) => history.id))] });
      after = lastSequence;
    }
    return (set: string) => found.get(set) ?? assert.fail(set);
  }),
).pipe(Layer.provideMerge(world));

describe.skipIf(dataRoot === undefined)("real transcripts come out as they went in", { timeout: 180_000 }, () => {
  layer(together, { excludeTestServices: true, timeout: 180_000 })((it) => {
    /** Files that are one session each, and share it with no other file. */
    const alone: ReadonlyArray<readonly [set: string, pattern: RegExp, format?: string]> = [
      ["codex-rollouts", /rollout\.jsonl$/, "codex"],
      ["codex-rollouts", /exec-json\.jsonl$/],
      ["pi-session", /\.jsonl$/],
      ["agent-sessions-fixtures", /^(?:antigravity|copilot|cursor|droid|grok|pi|gemini)__.*\.jsonl$/],
    ];
    for (const [set, pattern, format] of alone) {
      it.effect(`byte for byte, each file of ${set} (${pattern.source})`, () =>
        Effect.gen(function* () {
          const files = filesOf(set, pattern);
          assert.isAbove(files.length, 0);
          for (const file of files) {
            const text = yield* Effect.gen(function* () {
              yield* importAll(file);
              const [id = "", ...others] = yield* threads;
              assert.deepStrictEqual(others, [], file);
              return yield* exported(id, format);
            }).pipe(Effect.provide(Layer.fresh(world)));
            assert.deepStrictEqual(linesOf(text), linesOf(readFileSync(file, "utf8")), file);
          }
        }),
      );
    }

    it.effect("growing copies of Claude Code sessions: each thread is exactly its longest file's lines", () =>
      Effect.gen(function* () {
        const files = filesOf("claude-code-entire", /\.jsonl$/);
        const longest = new Map<string, ReadonlyArray<string>>();
        for (const file of files) {
          const bySession = new Map<string, Array<string>>();
          const lines = linesOf(readFileSync(file, "utf8"));
          const sessionOf = (line: string): string | undefined => /"sessionId":"([^"]+)"/.exec(line)?.[1];
          let session = lines.map(sessionOf).find((found) => found !== undefined) ?? "";
          for (const line of lines) {
            session = sessionOf(line) ?? session;
            bySession.set(session, [...(bySession.get(session) ?? []), line]);
          }
          for (const [id, own] of bySession) if (own.length > (longest.get(id)?.length ?? 0)) longest.set(id, own);
        }
        const own = (yield* Sets)("claude-code-entire").threads;
        assert.deepStrictEqual(own.toSorted(), [...longest.keys()].toSorted());
        for (const [id, lines] of longest)
          assert.deepStrictEqual(linesOf(yield* exported(id, "claude-code")), lines, id);
      }),
    );

    it.effect("a log with two sessions in one file: each line once, in order", () =>
      Effect.gen(function* () {
        const [file = ""] = filesOf("codex-tui-log", /\.jsonl$/);
        const ids = (yield* Sets)("codex-tui-log").threads;
        assert.strictEqual(ids.length, 2);
        const out: Array<string> = [];
        for (const id of ids) out.push(...linesOf(yield* exported(id)));
        assert.deepStrictEqual(out, linesOf(readFileSync(file, "utf8")));
      }),
    );

    it.effect("the conversations of tau-bench, in order, deep-equal", () =>
      Effect.gen(function* () {
        const [file = ""] = filesOf("tau-bench-airline", /\.jsonl$/);
        assert.deepStrictEqual(
          yield* everythingOf((yield* Sets)("tau-bench-airline").threads, "openai-chat"),
          linesOf(readFileSync(file, "utf8")).map((line) => JSON.parse(line) as unknown),
        );
      }),
    );

    it.effect("tau-bench's own form, one JSON array, gives the same threads as its lines", () =>
      Effect.gen(function* () {
        const [file = ""] = filesOf("tau-bench-airline", /\.jsonl$/);
        const lines = linesOf(readFileSync(file, "utf8"));
        const folder = yield* folderOf({ "conversations.json": `[${lines.join(",\n")}]` });
        const { report } = (yield* Sets)("tau-bench-airline");
        assert.deepInclude(yield* importAll(folder), { eventsAppended: 0, threads: report.threads });
      }).pipe(Effect.scoped),
    );

    it.effect("simulations of tau2 and samples of Inspect, deep-equal", () =>
      Effect.gen(function* () {
        for (const [set, key] of [
          ["tau2-results", "simulations"],
          ["inspect-eval-logs", "samples"],
        ] as const) {
          for (const file of filesOf(set, /\.json$/)) {
            const value = JSON.parse(readFileSync(file, "utf8")) as Readonly<Record<string, unknown>>;
            const got = yield* importAll(file).pipe(Effect.andThen(everything), (found) =>
              Effect.provide(found, Layer.fresh(world)),
            );
            assert.deepStrictEqual(got, value[key], file);
          }
        }
      }),
    );

    it.effect("documents with a frame around their messages, all imported together, deep-equal", () =>
      Effect.gen(function* () {
        for (const [set, pattern] of [
          ["agent-sessions-fixtures", /^gemini__.*\.json$/],
          ["agent-sessions-fixtures", /^opencode__.*\.json$/],
          ["agent-sessions-fixtures", /^grok__.*summary\.json$/],
        ] as const) {
          const files = filesOf(set, pattern);
          assert.isAbove(files.length, 0, set);
          const got = yield* importAll(files).pipe(Effect.andThen(everything), (found) =>
            Effect.provide(found, Layer.fresh(world)),
          );
          const wanted = files.map((file) => JSON.parse(readFileSync(file, "utf8")) as unknown);
          assert.deepStrictEqual(sorted(got), sorted(wanted), set);
        }
        for (const set of ["gemini-cli-entire", "who-and-when", "swe-agent"]) {
          const got = yield* everythingOf((yield* Sets)(set).threads);
          const wanted = filesOf(set, /\.(?:json|traj)$/).map(
            (file) => JSON.parse(readFileSync(file, "utf8")) as unknown,
          );
          assert.deepStrictEqual(sorted(got), sorted(wanted), set);
        }
      }),
    );

    it.effect("OpenCode's files belong to three sessions, in any order", () =>
      Effect.gen(function* () {
        const files = filesOf("agent-sessions-fixtures", /^opencode__.*\.json$/);
        yield* importAll(files.toReversed());
        assert.deepStrictEqual((yield* threads).toSorted(), ["s_stage0_drift", "s_stage0_large", "s_stage0_small"]);
      }).pipe(Effect.provide(Layer.fresh(world))),
    );

    it.effect("Langfuse's traces of ten frameworks count the tokens of their generations, and each call once", () =>
      Effect.gen(function* () {
        const files = filesOf("langfuse-traces", /\.trace\.json$/);
        const { events, report } = (yield* Sets)("langfuse-traces");
        assert.deepInclude(report, { files: 10, threads: 10, unknown: 0, refused: [] });
        const facts = factsIn(events);
        for (const file of files) {
          const { observations, trace } = JSON.parse(readFileSync(file, "utf8"));
          const sum = (kind: string) =>
            observations.reduce(
              (total: number, one: { type: string; usageDetails: Record<string, number> }) =>
                total + (one.type === "GENERATION" ? (one.usageDetails[kind] ?? 0) : 0),
              0,
            );
          const counts = countsOf(facts.get(trace.id) ?? []);
          assert.deepInclude(counts, { input: sum("input"), output: sum("output") }, file);
        }
        // Three of the jokes' tools ran, and the model asked for those and for a final result.
        assert.deepInclude(countsOf(facts.get("7a38edd8123db47ad8dcb8aa4c5e3926") ?? []), { calls: 4, results: 3 });
      }),
    );

    it.effect("provider chunks and wire captures are no conversations, and are not refused", () =>
      Effect.gen(function* () {
        for (const set of ["ai-sdk-stream-chunks", "mcp-stdio-captures"]) {
          const { report } = (yield* Sets)(set);
          assert.deepInclude(report, { files: 0, eventsAppended: 0, refused: [] }, set);
          assert.isAbove(report.skipped.length, 0);
        }
      }),
    );

    it.effect("all sets together append nothing the second time", () =>
      Effect.gen(function* () {
        const sets = yield* Sets;
        const first = readdirSync(root).map((set) => sets(set).report);
        const sum = (of: (report: ImportReport) => number) => first.reduce((total, report) => total + of(report), 0);
        const second = yield* importAll(root);
        assert.strictEqual(second.eventsAppended, 0);
        assert.deepInclude(second, {
          threads: sum((report) => report.threads),
          messages: sum((report) => report.messages),
          toolCalls: sum((report) => report.toolCalls),
          duplicates: sum((report) => report.eventsAppended + report.duplicates),
        });
      }),
    );
  });
});
