import { assert, describe, it } from "@effect/vitest";
import { Effect, Exit, Scope } from "effect";
import * as TaskLog from "../../src/coordination/tasks/TaskLog.ts";
import type { TaskLease } from "../../src/coordination/tasks/TaskLease.ts";

type Said = Parameters<TaskLease["log"]>[0];

/** What is written as log, when the scope of the attempt has ended. */
const logged = (write: (log: TaskLog.TaskLog) => void) =>
  Effect.gen(function* () {
    const said: Array<Said> = [];
    const scope = yield* Scope.make();
    const lease = { log: (piece: Said) => Effect.sync(() => void said.push(piece)) };
    write(yield* Scope.provide(TaskLog.make(lease), scope));
    yield* Scope.close(scope, Exit.void);
    return said;
  });

describe("the log of an attempt", () => {
  it.effect("has what each stream said, in order, in as few pieces as fit, and no half characters", () =>
    Effect.gen(function* () {
      const said = yield* logged(({ write }) => {
        for (const text of ["a", "b"]) write("stderr", text);
        write("stdout", "x".repeat(8_191) + "🙂");
        write("stderr", "half \ud83d");
      });
      assert.deepStrictEqual(
        said.map(({ stream, text }) => [stream, text.length]),
        [
          ["stderr", 2],
          ["stdout", 8_191],
          ["stdout", 2],
          ["stderr", 6],
        ],
      );
      assert.isTrue(said.every(({ text }) => text.isWellFormed()));
    }),
  );

  it.effect("is bounded: the first half and the last half are kept, and what lies between is counted", () =>
    Effect.gen(function* () {
      const line = `${"y".repeat(1_023)}\n`;
      const lines = 3 * 1_024;
      const said = yield* logged(({ write }) => {
        for (let at = 0; at < lines; at++) write("stderr", at === lines - 1 ? "the end" : line);
      });
      const kept = said.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
      const omitted = said.reduce((sum, { omittedBytes = 0 }) => sum + (omittedBytes ?? 0), 0);
      assert.isAtMost(kept, TaskLog.maxLogBytes);
      assert.isAbove(kept, TaskLog.maxLogBytes - 2_048);
      assert.strictEqual(kept + omitted, (lines - 1) * 1_024 + 7);
      assert.isTrue(said.at(-1)?.text.endsWith("the end"));
    }),
  );

  it.effect("holds no more than its bound of one text, however large", () =>
    Effect.gen(function* () {
      const said = yield* logged(({ write }) => write("stdout", "z".repeat(8 * TaskLog.maxLogBytes)));
      const kept = said.reduce((sum, { text }) => sum + text.length, 0);
      assert.isAtMost(kept, TaskLog.maxLogBytes / 2);
      assert.strictEqual(kept + (said[0]?.omittedBytes ?? 0), 8 * TaskLog.maxLogBytes);
    }),
  );
});
