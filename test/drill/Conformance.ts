/**
 * The conformance suite of MCP, in both of its lines, against our server with its tools and the suite's fixtures beside them.
 *
 * `latest` is what npm calls so; `next` knows 2026-07-28, and its scenarios of the tasks extension are forced.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Exit, Scope } from "effect";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { Recollect } from "../../src/index.ts";
import * as TaskFixtures from "./mcp/Tasks.ts";
import { serve } from "./mcp/Server.ts";

const require = createRequire(import.meta.url);

const lines = {
  latest: require.resolve("conformance-latest/package.json").replace("package.json", "dist/index.js"),
  next: require.resolve("@modelcontextprotocol/conformance/package.json").replace("package.json", "dist/index.js"),
} as const;

interface Run {
  readonly name: string;
  readonly line: keyof typeof lines;
  readonly words: ReadonlyArray<string>;
}

const tasksScenarios = [
  "lifecycle",
  "capability-negotiation",
  "wire-fields",
  "request-state-removal",
  "mrtr-input",
  "request-headers",
  "dispatch-and-envelope",
  "status-notifications",
  "required-task-error",
  "mrtr-composition",
].map((name) => `tasks-${name}`);

/** Each scenario of the extension by its own, because it belongs to no revision. */
export const taskRuns: ReadonlyArray<Run> = tasksScenarios.map((scenario) => ({
  name: scenario,
  line: "next",
  words: ["--scenario", scenario, "--spec-version", "2026-07-28", "--force"],
}));

export const suites: ReadonlyArray<Run> = [
  { name: "latest, all", line: "latest", words: ["--suite", "all"] },
  ...["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"].map((version): Run => ({
    name: `next, ${version}`,
    line: "next",
    words: ["--suite", "all", "--spec-version", version],
  })),
];

/** Checks that fail, and why; everything else that fails is a fault. */
const expected: Readonly<Record<string, string>> = {
  "resources-subscribe":
    "Effect's server (4.1) has no resource subscriptions before 2026-07-28 and says so in its capabilities; our resources announce no changes.",
  "resources-unsubscribe": "The same.",
  "sep-2575-missing-capability-http-400":
    "Effect's server (4.1) answers an error of a middleware with status 200; the error itself is the right one. None of our own tools needs a capability but a task, which is answered in front with 400.",
  "server-accepts-multiple-post-streams":
    "The latest line names another protocol version in its headers than it has negotiated; the next line has it right, and passes.",
};

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

export interface Counted {
  readonly name: string;
  readonly passed: number;
  readonly skipped: number;
  readonly warnings: ReadonlyArray<string>;
  readonly expected: ReadonlyArray<string>;
  readonly faults: ReadonlyArray<string>;
}

const ended = (file: string, words: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.once("close", () => resolve(out));
  });

const one = async ({ line, name, words }: Run, url: string, folder: string): Promise<Counted> => {
  const results = mkdtempSync(join(folder, "results-"));
  const out = await ended(lines[line], ["server", "--url", url, "-o", results, ...words]);
  const checks = readdirSync(results, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("checks.json"))
    .flatMap((file) => JSON.parse(readFileSync(join(results, file), "utf8")) as ReadonlyArray<Check>);
  const of = (status: string) => checks.filter((check) => check.status === status);
  const failed = of("FAILURE");
  const told = ({ errorMessage = "", id }: Check) => `${id}: ${errorMessage.slice(0, 200)}`;
  return {
    name,
    passed: of("SUCCESS").length,
    skipped: of("SKIPPED").length,
    warnings: of("WARNING").map(told),
    expected: failed.filter(({ id }) => id in expected).map(({ id }) => `${id}: ${expected[id]}`),
    // A run without a single check has judged nothing.
    faults: [
      ...failed.filter(({ id }) => !(id in expected)).map(told),
      ...(checks.length === 0 ? [`${name} has checked nothing: ${out.slice(-300)}`] : []),
    ],
  };
};

/** Runs them one after another on a store whose instance runs, with a worker for the tasks. */
export const run = async (options: {
  readonly data: string;
  readonly runs: ReadonlyArray<Run>;
  readonly say: (line: string) => void;
}): Promise<ReadonlyArray<Counted>> => {
  const folder = mkdtempSync(join(tmpdir(), "recollect-conformance-"));
  const scope = Effect.runSync(Scope.make());
  const client = await Recollect.connect({ data: options.data });
  const worker = TaskFixtures.work(client);
  try {
    const url = await Effect.runPromise(
      serve(options.data).pipe(Scope.provide(scope), Effect.provide(NodeServices.layer)),
    );
    const counted: Array<Counted> = [];
    for (const each of options.runs) {
      const result = await one(each, url, folder);
      counted.push(result);
      const rest = `${result.expected.length} expected to fail, ${result.faults.length} failed, ${result.warnings.length} warnings, ${result.skipped} skipped`;
      options.say(`${result.name}: ${result.passed} passed, ${rest}`);
      for (const fault of result.faults) options.say(`  FAILED ${fault}`);
      for (const known of result.expected) options.say(`  known  ${known}`);
    }
    return counted;
  } finally {
    await worker.stop();
    await client.close();
    await Effect.runPromise(Scope.close(scope, Exit.void));
    rmSync(folder, { recursive: true, force: true });
  }
};
