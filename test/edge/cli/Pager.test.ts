import { assert, describe, it } from "@effect/vitest";
import { Console, Effect } from "effect";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { paged } from "../../../src/edge/cli/Pager.ts";
import { temporaryFolder } from "../../projection/World.ts";

/** As at a terminal of so many rows, with a pager of its own. */
const atTerminal = (rows: number, pager: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = { out: process.stdout.isTTY, in: process.stdin.isTTY, rows: process.stdout.rows };
      const { PAGER, TERM } = process.env;
      Object.assign(process.stdout, { isTTY: true, rows });
      Object.assign(process.stdin, { isTTY: true });
      Object.assign(process.env, { PAGER: pager, TERM: "xterm" });
      return { before, PAGER, TERM };
    }),
    ({ PAGER, TERM, before }) =>
      Effect.sync(() => {
        Object.assign(process.stdout, { isTTY: before.out, rows: before.rows });
        Object.assign(process.stdin, { isTTY: before.in });
        for (const [name, value] of Object.entries({ PAGER, TERM }))
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
      }),
  );

const printing = (lines: number) => {
  const printed: Array<string> = [];
  const console = { ...globalThis.console, log: (text: string) => void printed.push(text), error: () => undefined };
  const command = Effect.gen(function* () {
    for (let line = 1; line <= lines; line++) yield* Console.log(`line ${line}`);
  });
  return paged(command).pipe(
    Effect.provideService(Console.Console, console),
    Effect.map(() => printed.join("\n").split("\n").length),
  );
};

describe("a pager", () => {
  it.live("shows what is longer than the terminal, and nothing else; a missing one is done without", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "paged");
      const pagedLines = () => readFileSync(file, "utf8").trimEnd().split("\n").length;
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* atTerminal(10, `cat > '${file}'`);
          yield* printing(30);
          assert.strictEqual(pagedLines(), 30);
          rmSync(file);
          assert.strictEqual(yield* printing(5), 5);
          assert.throws(pagedLines);
        }),
      );
      yield* Effect.scoped(Effect.andThen(atTerminal(10, "no-such-pager-here"), printing(30))).pipe(
        Effect.map((lines) => assert.strictEqual(lines, 30)),
      );
      // A pager that is left after its first screen: the rest is not printed behind it.
      yield* Effect.scoped(Effect.andThen(atTerminal(10, "head -n 1 > /dev/null"), printing(100_000))).pipe(
        Effect.map((lines) => assert.strictEqual(lines, 1)),
      );
      assert.strictEqual(yield* printing(30), 30);
      assert.throws(pagedLines);
    }),
  );
});
