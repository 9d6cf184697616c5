/**
 * Each SDK beside its entry point: packs the package, installs it with the SDKs into a folder of its own, compiles against
 * their types, and runs their suites and ours there against a real nats-server.
 *
 * A drill and no test, because the SDKs are 200 MB and every clone would pay for them.
 */
import { Effect } from "effect";
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import * as Packed from "../package/Packed.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** Read and tried: a newer one may ask for more. */
const packages = [
  "@a2a-js/sdk@1.3.0",
  "@agentclientprotocol/sdk@2.4.0",
  "@anthropic-ai/claude-agent-sdk@0.3.332",
  "@anthropic-ai/sdk",
  "@langchain/core@1.4.0",
  "@langchain/langgraph@1.7.3",
  "@langchain/langgraph-checkpoint@1.2.2",
  "@langchain/langgraph-checkpoint-validation@1.1.1",
  "@modelcontextprotocol/sdk@1.32.2",
  "@modelcontextprotocol/server@2.4.0",
  "@openai/agents-core@0.20.0",
  "@types/node@26",
  "ai@7.0.173",
  "express@5",
  "resumable-stream@2.2.13",
  "typescript@5.9",
  "vitest@4",
  "zod@4",
];

const specs = new URL("./sdks/", import.meta.url).pathname;

export interface Suite {
  readonly name: string;
  readonly passed: number;
  readonly failed: ReadonlyArray<string>;
  readonly skipped: number;
  /** Of its tests, milliseconds. */
  readonly millis: number;
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly message?: string;
    readonly assertionResults: ReadonlyArray<{
      readonly ancestorTitles: ReadonlyArray<string>;
      readonly fullName: string;
      readonly status: string;
      readonly duration?: number | null;
      readonly failureMessages: ReadonlyArray<string>;
    }>;
  }>;
}

/** By file, and LangGraph's suite by whose checkpointer it is. */
const suitesOf = (report: Report): ReadonlyArray<Suite> => {
  const suites = new Map<string, { passed: number; failed: Array<string>; skipped: number; millis: number }>();
  for (const { assertionResults, message, name } of report.testResults) {
    const file = path.basename(name, ".test.mjs");
    if (assertionResults.length === 0)
      suites.set(file, { passed: 0, failed: [message ?? "it has no tests"], skipped: 0, millis: 0 });
    for (const { ancestorTitles, duration, failureMessages, fullName, status } of assertionResults) {
      const first = ancestorTitles[0] ?? "";
      const of = /^(?:recollect|MemorySaver)/.exec(first)?.[0];
      const key = of === undefined ? file : `${file}, validation suite on ${of}`;
      const suite = suites.get(key) ?? { passed: 0, failed: [], skipped: 0, millis: 0 };
      suites.set(key, suite);
      suite.millis += duration ?? 0;
      if (status === "passed") suite.passed++;
      else if (status === "failed") suite.failed.push(`${fullName}\n${failureMessages.join("\n").slice(0, 2_000)}`);
      else suite.skipped++;
    }
  }
  return [...suites].map(([name, suite]) => ({ name, ...suite }));
};

const runIn = (folder: string, url: string, words: ReadonlyArray<string>) =>
  spawnSync(process.execPath, words, {
    cwd: folder,
    env: { ...Packed.plain(), RECOLLECT_NATS_URL: url, DRILL_FOLDER: folder },
    encoding: "utf8",
    timeout: 570_000,
    maxBuffer: 64 * 1024 * 1024,
  });

/** The folder is removed when everything holds. */
export const run = Effect.fn("drill.sdks")(function* (say: (line: string) => void) {
  const folder = Packed.temporaryFolder();
  say("packing this checkout, and installing the SDKs beside it");
  const file = Packed.pack(Packed.copyOfCheckout(folder), folder);
  const app = path.join(folder, "app");
  const installed = Packed.install(app, [file, ...packages, "--legacy-peer-deps"]);
  if (installed.code !== 0) return yield* Effect.die(new Error(`the SDKs cannot be installed: ${installed.err}`));
  fs.cpSync(specs, app, { recursive: true });
  fs.copyFileSync(path.join(specs, "../../../examples/sdk/langgraph.ts"), path.join(app, "langgraph-example.ts"));
  const flags = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2022",
    "--types",
    "node",
    "--skipLibCheck",
  ];
  const typed = runIn(app, "", ["node_modules/typescript/bin/tsc", ...flags, "types.ts", "langgraph-example.ts"]);
  say(typed.status === 0 ? "types: each entry point is what its SDK asks for" : `types: ${typed.stdout}`);
  const { url } = yield* NatsServer.make({ stream: true });
  const ran = runIn(app, url, [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--globals",
    "--reporter=json",
    "--outputFile=report.json",
    "--testTimeout=60000",
  ]);
  const example = runIn(app, url, ["langgraph-example.ts"]);
  say(example.status === 0 ? "the example of LangGraph runs" : `the example of LangGraph: ${example.stderr}`);
  const report = path.join(app, "report.json");
  if (!fs.existsSync(report)) return yield* Effect.die(new Error(`no report: ${ran.stderr}`));
  const suites = suitesOf(JSON.parse(fs.readFileSync(report, "utf8")));
  for (const { failed, millis, name, passed, skipped } of suites) {
    say(`${name}: ${passed} passed, ${failed.length} failed, ${skipped} skipped, ${(millis / 1_000).toFixed(2)} s`);
    for (const one of failed) say(`  ${one}`);
  }
  const [ours, memory] = ["recollect", "MemorySaver"].map((one) =>
    suites.find(({ name }) => name.endsWith(`on ${one}`)),
  );
  const ratio = (ours?.millis ?? Number.NaN) / (memory?.millis ?? Number.NaN);
  say(`LangGraph's validation suite took ${ratio.toFixed(1)} times as long as in memory`);
  const isGood =
    typed.status === 0 &&
    example.status === 0 &&
    suites.length > 0 &&
    suites.every(({ failed }) => failed.length === 0);
  if (isGood) fs.rmSync(folder, { recursive: true, force: true });
  else say(`what was installed and run is in ${folder}`);
  return isGood;
}, Effect.scoped);
