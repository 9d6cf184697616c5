/**
 * The drill of planted faults: each line of `mutants/List.ts` is changed in a copy of the checkout, and the tests of its
 * room have to turn red.
 *
 * The tests run once without a change first: a red that was there before catches nothing.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createVitest, type Vitest } from "vitest/node";
import * as Packed from "../package/Packed.ts";
import { type Mutant, mutants } from "./mutants/List.ts";

export interface Verdict {
  readonly mutant: Mutant;
  /** Title of the test that turned red; undefined for a change that none has noticed. */
  readonly caughtBy: string | undefined;
}

export interface Outcome {
  readonly verdicts: ReadonlyArray<Verdict>;
  /** What is wrong: survivors, lines that stand no more in their file, tests that are red without a change. */
  readonly faults: ReadonlyArray<string>;
}

/** A busy machine must not be taken for a noticed fault; a change that never ends is one. */
const testMillis = 120_000;
const runMillis = 300_000;

/** Title of the first red test of these files; undefined when all are green. */
const redOf = async (vitest: Vitest, tests: ReadonlyArray<string>): Promise<string | undefined> => {
  const specifications = (await Promise.all(tests.map((test) => vitest.globTestSpecifications([test])))).flat();
  if (specifications.length < tests.length) return `no such test: ${tests.join(", ")}`;
  const isOver = new Promise<"never">((resolve) => setTimeout(() => resolve("never"), runMillis).unref());
  const ended = await Promise.race([vitest.runTestSpecifications(specifications), isOver]);
  if (ended === "never") {
    await vitest.cancelCurrentRun("test-failure");
    return "it never ended";
  }
  for (const module of ended.testModules) {
    for (const test of module.children.allTests("failed")) return test.fullName;
    if (!module.ok()) return `${module.moduleId.split("/").at(-1)} could not run`;
  }
  return ended.unhandledErrors.length > 0 ? String(ended.unhandledErrors[0]) : undefined;
};

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll(/\s+/g, " ");

/** One row a fault: the change, and the test that noticed it. */
export const table = ({ verdicts }: Outcome): string =>
  [
    "| file | change | caught by |",
    "|---|---|---|",
    ...verdicts.map(
      ({ caughtBy, mutant: { file, from, to } }) =>
        `| ${file} | \`${cell(from)}\` → ${to === "" ? "nothing" : `\`${cell(to)}\``} | ${cell(caughtBy ?? "**nothing**")} |`,
    ),
  ].join("\n");

/** Plants every fault whose file begins with `only`, one after the other. */
export const run = async (options: {
  readonly only: string;
  readonly say: (line: string) => void;
}): Promise<Outcome> => {
  const { only, say } = options;
  const folder = Packed.temporaryFolder();
  const root = Packed.copyOfCheckout(folder);
  const vitest = await createVitest({ root, watch: false, bail: 1, testTimeout: testMillis, reporters: [{}] });
  const verdicts: Array<Verdict> = [];
  const faults: Array<string> = [];
  const green = new Map<string, boolean>();
  const areGreen = async (tests: ReadonlyArray<string>) => {
    for (const test of tests) {
      if (green.has(test)) continue;
      const red = await redOf(vitest, [test]);
      green.set(test, red === undefined);
      if (red !== undefined) faults.push(`${test} is red without a change: ${red}`);
    }
    return tests.every((test) => green.get(test));
  };
  try {
    for (const mutant of mutants.filter(({ file }) => file.startsWith(only))) {
      const { file, from, tests, to } = mutant;
      const path = join(root, file);
      const text = readFileSync(path, "utf8");
      if (text.split(from).length !== 2) {
        faults.push(`${file} does not have once: ${from}`);
        continue;
      }
      if (!(await areGreen(tests))) continue;
      writeFileSync(
        path,
        text.replace(from, () => to),
      );
      vitest.invalidateFile(path);
      const caughtBy = await redOf(vitest, tests);
      writeFileSync(path, text);
      vitest.invalidateFile(path);
      verdicts.push({ mutant, caughtBy });
      if (caughtBy === undefined) faults.push(`${file}: nothing notices ${from} → ${to}`);
      say(`${verdicts.length}. ${file}: ${caughtBy === undefined ? "NOT NOTICED" : `caught by ${caughtBy}`}`);
    }
  } finally {
    await vitest.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return { verdicts, faults };
};
