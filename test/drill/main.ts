/**
 * `npm run drill`: kills everything at random, 200 times, and verifies.
 *
 * `-- --kills N --seed S` for another number, and for the same order of kills again; `--importers N` for more or fewer
 * at once than two. Exit code 1 when anything is not as promised; its folder is kept then.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Effect, Exit } from "effect";
import { parseArgs } from "node:util";
import { realData } from "./Corpus.ts";
import { type Outcome, run } from "./Drill.ts";

const say = (line: string) => void process.stderr.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    importers: { type: "string", default: "2" },
  },
});

const number = (name: keyof typeof values): number => {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  say(`--${name} must be a whole number, not ${values[name]}`);
  return process.exit(2);
};

const count = (value: number) => value.toLocaleString("en");

const summary = (outcome: Outcome): string => {
  const { acknowledged, atWork, before, blobs, corpusBytes, events, faults, importers, killSeconds, kills, seconds } =
    outcome;
  const total = kills.importer + kills.daemon + kills["nats-server"];
  return [
    faults.length === 0 ? "Nothing lost, nothing doubled:" : "NOT as promised:",
    `${total} kills (importer ${kills.importer}, daemon ${kills.daemon}, nats-server ${kills["nats-server"]};`,
    `${atWork} while an import was at work) in ${killSeconds.toFixed(0)} s,`,
    `${count(events)} events (${count(blobs)} in the object store) from ${(corpusBytes / 1e6).toFixed(0)} MB,`,
    `${count(acknowledged)} acknowledged and ${count(before)} written before the last kill,`,
    `${count(importers)} importers started,`,
    `${seconds.toFixed(0)} s in all`,
  ].join(" ");
};

const kills = number("kills");
const seed = number("seed");
const real = realData();
say(`The crash drill: ${kills} kills, seed ${seed}${real === undefined ? "" : `, with the transcripts in ${real}`}`);

const drill = run({ kills, seed, importers: number("importers"), real, say }).pipe(
  Effect.map((outcome) => {
    for (const fault of outcome.faults) say(`- ${fault}`);
    if (outcome.refused.length > 0) say(`Started in the middle of a kill, ${outcome.refused.length} gave up in words:`);
    for (const refused of new Set(outcome.refused)) say(`  ${refused}`);
    if (outcome.faults.length > 0) say(`Everything is kept in ${outcome.folder}`);
    process.stdout.write(`${summary(outcome)}, seed ${seed}.\n`);
    if (outcome.faults.length > 0) process.exitCode = 1;
  }),
  Effect.catchTag("DrillFailed", ({ message }) =>
    Effect.sync(() => {
      say(message);
      process.stdout.write(`The drill failed, seed ${seed}.\n`);
      process.exitCode = 1;
    }),
  ),
  Effect.provide(NodeServices.layer),
);

NodeRuntime.runMain(drill, {
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? Number(process.exitCode ?? 0) : 1),
});
