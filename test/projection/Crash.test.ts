import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as Generations from "../../src/projection/rebuild/Generations.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import { verify } from "../../src/projection/verify/Verify.ts";
import { programOf } from "../support/programs.ts";
import { conversation } from "./Conversation.ts";
import { stubLog } from "./StubLog.ts";
import { ask, temporaryFolder } from "./World.ts";

const child = programOf("test/projection/crash-child.ts");

/** Runs the child until it has said `lines` lines, and some microseconds more; then kill -9. True when it was done before. */
const runAndKill = (options: {
  readonly work: string;
  readonly path: string;
  readonly count: number;
  readonly lines: number;
}) =>
  Effect.callback<boolean>((resume) => {
    const running = spawn(process.execPath, [child, options.work, options.path, String(options.count)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    running.stdout.setEncoding("utf8");
    running.stdout.on("data", (text: string) => {
      said += text;
      if (said.split("\n").length > options.lines) running.kill("SIGKILL");
    });
    running.on("exit", () => resume(Effect.succeed(said.includes("done"))));
    return Effect.sync(() => running.kill("SIGKILL"));
  });

const count = 400;

describe("a projector killed with kill -9", () => {
  it.live(
    "goes on from its checkpoint: every event is there once, and every table is as if nothing had happened",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "recollect.db");
        for (const lines of [1, 3, 9, 2]) {
          yield* runAndKill({ work: "project", path, count, lines });
          const { n, last } = ask(path, "SELECT count(*) AS n, max(sequence) AS last FROM events")[0] ?? {};
          assert.strictEqual(n, last ?? 0, "the ledger has a hole or a double");
          assert.strictEqual(ask(path, "SELECT min(sequence) AS at FROM v_checkpoints")[0]?.["at"], last ?? 0);
        }
        assert.isTrue(yield* runAndKill({ work: "project", path, count, lines: 1000 }));
        const log = stubLog(conversation(count));
        const verified = yield* verify({ path, projections: readModels }).pipe(
          Effect.provideService(EventLog, log.service),
        );
        assert.deepStrictEqual(verified.differences, []);
        assert.isTrue(verified.ok);
        assert.strictEqual(verified.ledger.rows, count);
      }),
    60_000,
  );
});

describe("a transaction killed with kill -9", () => {
  it.live(
    "leaves nothing of itself: rows, dead letters and checkpoint are those of the batch before",
    () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "recollect.db");
        assert.isFalse(yield* runAndKill({ work: "deadly", path, count: 300, lines: 1000 }));
        const [reached] = ask(path, "SELECT min(sequence) AS low, max(sequence) AS high FROM v_checkpoints");
        assert.strictEqual(reached?.["low"], reached?.["high"]);
        const at = Number(reached?.["low"]);
        assert.isBelow(at, 259);
        for (const table of ["events", "messages", "dead_letters", "task_transitions"]) {
          assert.isAtMost(
            Number(ask(path, `SELECT coalesce(max(sequence), 0) AS n FROM ${table}`)[0]?.["n"]),
            at,
            table,
          );
        }
        assert.isTrue(yield* runAndKill({ work: "cured", path, count: 300, lines: 1000 }));
        assert.strictEqual(ask(path, "SELECT count(*) AS n FROM events")[0]?.["n"], 300);
      }),
    60_000,
  );
});

describe("a rebuild killed with kill -9", () => {
  it.live(
    "leaves a whole database at the path, and its leftovers are gone after the next one",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder;
        const path = join(folder, "recollect.db");
        const many = 3000;
        assert.isTrue(yield* runAndKill({ work: "project", path, count: 60, lines: 1000 }));
        const log = stubLog(conversation(many));
        for (const lines of [1, 3, 5]) {
          const before = Number(ask(path, "SELECT max(sequence) AS n FROM events")[0]?.["n"]);
          yield* runAndKill({ work: "rebuild", path, count: many, lines });
          const after = Number(ask(path, "SELECT max(sequence) AS n FROM events")[0]?.["n"]);
          assert.isAtLeast(after, before);
          assert.strictEqual(ask(path, "PRAGMA integrity_check")[0]?.["integrity_check"], "ok");
        }
        yield* rebuild({ path, projections: readModels }).pipe(Effect.provideService(EventLog, log.service));
        const live = Generations.current(path) ?? "";
        const files = readdirSync(folder).filter((name) => /^recollect-\d+\.db$/.test(name));
        assert.deepStrictEqual(
          files.map((name) => join(folder, name)),
          [live],
        );
        const model = yield* ReadModelSqlite.open({ file: live, projections: readModels, durability: "durable" });
        assert.strictEqual((yield* model.checkpoint).sequence, many);
        yield* model.close;
      }),
    60_000,
  );
});
