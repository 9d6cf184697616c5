/**
 * `npm run drill`: kills everything at random, 200 times, and verifies. `npm run drill -- outages`: takes NATS away from
 * four publishers, 100 times, and holds the log against what they were told. `npm run drill -- tasks`: eight workers share
 * 5,000 tasks while they, nats-server and the queue are killed. `npm run drill -- waiting`: what is due begins, and what
 * rests costs nothing, beside 100,000 tasks that wait, or a million. `npm run drill -- limits`: ten processes want more than
 * a limit gives, for 20 seconds. `npm run drill -- sdks`: each SDK from npm, with its suite, its types and our entry point. `npm run drill -- exit`: programs end in every way with 200 calls that nobody awaits.
 * `npm run drill -- catalog`: makes a year of a million events with known answers, and asks every report of it.
 * `npm run drill -- duckdb`: DuckDB reads the views of the database without a cast, and the Parquet of the export.
 * `npm run drill -- damage`: plants numbered faults in files, rows and settings, and holds the product's commands to them.
 * `npm run drill -- replicas`: a stream in three copies under rolling restarts, kill -9 of all and damage in one of them.
 * `npm run drill -- files`: a thousand odd files, each imported or refused by name and reason.
 * `npm run drill -- soak`: everything at once, for minutes to hours, with bounds on what may grow.
 * `npm run drill -- mutants`: plants faults in the code, one after the other; the tests of its room have to notice each.
 * `npm run drill -- mcp`: the conformance suite of MCP in both of its lines, with the tasks extension forced.
 * `npm run drill -- nodes`: the packed package on the oldest and the newest Node of each supported line.
 *
 * `-- --kills N --seed S` for another number, and for the same order of kills again; `--importers N` for more or fewer
 * at once than two. `-- outages --outages N --seed S --longest SECONDS` and `-- tasks --tasks N --workers N --seed S`
 * likewise, and `-- limits --processes N --limit N --seconds N`. Exit code 1 when anything is not as promised; its folder
 * is kept then.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import * as NodeRuntime from "@effect/platform-node/NodeRuntime";
import { Effect, Exit, References } from "effect";
import { parseArgs } from "node:util";
import { realData } from "./Corpus.ts";
import { type Outcome, run } from "./Drill.ts";
import * as CatalogDrill from "./catalog/Catalog.ts";
import * as DuckDbDrill from "./catalog/DuckDb.ts";
import * as Damage from "./Damage.ts";
import { save as savePage } from "./damage/Page.ts";
import * as Verdicts from "./damage/Verdicts.ts";
import * as Endings from "./Endings.ts";
import * as LimitDrill from "./Limits.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import * as OddFiles from "./OddFiles.ts";
import * as Replicas from "./Replicas.ts";
import * as Outages from "./Outages.ts";
import * as Sdks from "./Sdks.ts";
import * as Soak from "./Soak.ts";
import * as Stage from "./Stage.ts";
import * as TaskDrill from "./Tasks.ts";
import * as WaitingDrill from "./Waiting.ts";

const say = (line: string) => void process.stderr.write(`${line}\n`);

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    importers: { type: "string", default: "2" },
    outages: { type: "string", default: "100" },
    longest: { type: "string", default: "60" },
    tasks: { type: "string", default: "5000" },
    waiting: { type: "string", default: "0" },
    workers: { type: "string", default: "8" },
    processes: { type: "string", default: "10" },
    limit: { type: "string", default: "100" },
    seconds: { type: "string", default: "20" },
    files: { type: "string", default: "1000" },
    rounds: { type: "string" },
    events: { type: "string", default: "1000000" },
    plans: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
    database: { type: "string" },
    fault: { type: "string", default: "" },
    seeds: { type: "string" },
    "at-once": { type: "string", default: "2" },
    minutes: { type: "string" },
    only: { type: "string", default: "" },
    short: { type: "boolean", default: false },
    save: { type: "boolean", default: false },
    verdicts: { type: "string" },
    stores: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const usage = `npm run drill                kills everything at random, and verifies      --kills 200  --importers 2
npm run drill -- outages     takes NATS away from four publishers          --outages 100  --longest 60
npm run drill -- tasks       kills workers that share tasks                --tasks 5000  --workers 8  --waiting 100000
npm run drill -- waiting     a daemon beside many waiting tasks             --waiting 1000000
npm run drill -- limits      more is wanted than a limit gives             --processes 10  --limit 100  --seconds 20
npm run drill -- sdks        each SDK's own suite and types, from npm      needs the registry
npm run drill -- exit        programs end in the middle of 200 calls       --rounds 10
npm run drill -- catalog     a made-up year with known answers, timed       --events 1000000  --plans  --keep  --database FILE
npm run drill -- duckdb      DuckDB reads each view, and our Parquet        needs the registry and DuckDB's server
npm run drill -- files       imports odd files, none of which stops it     --files 1000
npm run drill -- damage      plants faults; the product notices and mends  --fault 7,20-31  --seeds 3  --at-once 2  --minutes 60  --short  --save  --verdicts FILE  --stores FOLDER
npm run drill -- replicas    three copies: restarts, kill -9 of all, damage  --rounds 3
npm run drill -- soak        everything at once; what may grow is bounded    --minutes 10
npm run drill -- mutants     plants faults in the code; tests notice each    --only src/log
npm run drill -- mcp         MCP's conformance suite against our server
npm run drill -- nodes       the packed package on six Nodes                needs the registry

  --seed N   the same dice again; each run names its own
`;

const number = (
  name: Exclude<
    keyof typeof values,
    "fault" | "help" | "plans" | "keep" | "database" | "short" | "save" | "only" | "verdicts" | "stores"
  >,
): number => {
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

const seed = number("seed");

const sdkDrill = Effect.suspend(() => {
  say("The drill of SDKs: each entry point beside its SDK, from npm");
  return Effect.map(Sdks.run(say), (isGood) => {
    process.stdout.write(isGood ? "Every SDK has what it asks for.\n" : "NOT as promised.\n");
    if (!isGood) process.exitCode = 1;
  });
});

/** Says what is not as promised, and where everything is kept. */
const report = (outcome: { readonly faults: ReadonlyArray<string>; readonly folder: string }, line: string) => {
  for (const fault of outcome.faults.slice(0, 100)) say(`- ${fault}`);
  if (outcome.faults.length > 0) say(`Everything is kept in ${outcome.folder}`);
  process.stdout.write(`${line}, seed ${seed}.\n`);
  if (outcome.faults.length > 0) process.exitCode = 1;
};

const crashes = Effect.suspend(() => {
  const kills = number("kills");
  const real = realData();
  say(`The crash drill: ${kills} kills, seed ${seed}${real === undefined ? "" : `, with the transcripts in ${real}`}`);
  return Effect.map(run({ kills, seed, importers: number("importers"), real, say }), (outcome) => {
    if (outcome.refused.length > 0) say(`Started in the middle of a kill, ${outcome.refused.length} gave up in words:`);
    for (const refused of new Set(outcome.refused)) say(`  ${refused}`);
    report(outcome, summary(outcome));
  });
});

const outagesSummary = (outcome: Outages.Outcome): string => {
  const { accepted, callMillis, events, faults, killed, outages, outageSeconds, returns, seconds } = outcome;
  const total = Object.values(outages).reduce((sum, some) => sum + some, 0);
  const [middle, high, longest] = callMillis.map((millis) => `${millis.toFixed(0)} ms`);
  return [
    faults.length === 0 ? "Nothing lost, nothing doubled, order kept:" : "NOT as promised:",
    `${total} outages of ${outageSeconds.toFixed(0)} s in all`,
    `(${Object.entries(outages)
      .map(([kind, some]) => `${kind} ${some}`)
      .join(", ")}), ${killed} publishers killed,`,
    `${count(accepted)} messages accepted (${Object.entries(outcome.tags)
      .map(([tag, some]) => `${tag} ${count(some)}`)
      .join(", ")}), ${count(events)} in the log,`,
    `${count(returns)} times back from the spool to the log,`,
    `calls took ${middle}, 99 % at most ${high}, the longest ${longest},`,
    `the spool was empty at most ${outcome.longestRecoverySeconds.toFixed(1)} s after an outage,`,
    `and all wrote directly at most ${outcome.longestReturnSeconds.toFixed(1)} s after it,`,
    `${seconds.toFixed(0)} s in all`,
  ].join(" ");
};

const outages = Effect.suspend(() => {
  const [times, longest] = [number("outages"), number("longest")];
  say(`The outage drill: ${times} outages of 0.1 to ${longest} s, seed ${seed}`);
  return Effect.map(Outages.run({ outages: times, seed, longestMillis: longest * 1_000, say }), (outcome) =>
    report(outcome, outagesSummary(outcome)),
  ).pipe(Effect.scoped);
});

const listed = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([kind, some]) => `${kind} ${count(some)}`)
    .join(", ");

const tasksSummary = ({ claims, disturbances, ends, faults, givenBack, lapsed, seconds, ...of }: TaskDrill.Outcome) =>
  [
    faults.length === 0 ? "Every task ended once, no two leases at a time:" : "NOT as promised:",
    `${count(of.tasks)} tasks (${listed(ends)}), ${count(claims)} claims, ${count(lapsed)} leases lapsed,`,
    `${count(givenBack)} given back (${listed(disturbances)}), ${seconds.toFixed(0)} s in all`,
  ].join(" ");

const taskDrill = Effect.suspend(() => {
  const [tasks, workers, waiting] = [number("tasks"), number("workers"), number("waiting")];
  say(`The task drill: ${tasks} tasks, ${workers} workers, ${waiting} tasks that wait meanwhile, seed ${seed}`);
  return Effect.map(TaskDrill.run({ tasks, workers, waiting, seed, say }), (outcome) =>
    report(outcome, tasksSummary(outcome)),
  );
});

const waitingDrill = Effect.suspend(() => {
  const waiting = values.waiting === "0" ? 100_000 : number("waiting");
  say(`The drill of what waits: ${count(waiting)} tasks`);
  return Effect.map(WaitingDrill.run({ waiting, say }), (outcome) => {
    const { begunMillis, faults, megabytes, restPercent, seconds } = outcome;
    const slowest = Math.max(...Object.values(begunMillis));
    const rest =
      restPercent === undefined || megabytes === undefined
        ? ""
        : ` at rest daemon ${restPercent.daemon.toFixed(2)} % of a core and ${megabytes.daemon.toFixed(0)} MB, nats-server ${restPercent.nats.toFixed(2)} % and ${megabytes.nats.toFixed(0)} MB,`;
    const what = faults.length === 0 ? "What is due begins:" : "NOT as promised:";
    report(
      outcome,
      `${what} at most ${slowest} ms late beside ${count(waiting)} that wait,${rest} ${seconds.toFixed(0)} s in all`,
    );
  });
});

const limitsSummary = ({ allowed, bySecond, faults, isJudged, refused, trips }: LimitDrill.Outcome): string =>
  [
    faults.length > 0
      ? "NOT as promised:"
      : isJudged
        ? "98 to 100 % of the limit in each full second:"
        : "On a machine that was too busy to tell:",
    `${bySecond.map(count).join(" ")},`,
    `${count(allowed)} allowed, ${count(refused)} refused,`,
    `${(trips / allowed).toFixed(2)} round trips for each that was allowed`,
  ].join(" ");

const limitDrill = Effect.suspend(() => {
  const [processes, limit, seconds] = [number("processes"), number("limit"), number("seconds")];
  say(`The limit drill: ${processes} processes, ${limit} a second, for ${seconds} seconds`);
  return Effect.map(LimitDrill.run({ processes, limit, seconds, count: "each", say }), (outcome) =>
    report(outcome, limitsSummary(outcome)),
  );
});

const endingsSummary = ({ endings, faults, inLog, inSpool, said }: Endings.Outcome): string =>
  [
    faults.length === 0 ? "Nothing lost, nothing doubled, order kept:" : "NOT as promised:",
    `${count(endings)} programs ended (${Object.keys(Endings.ways).join(", ")}),`,
    `${count(said)} messages that they had said, ${count(inLog)} in the log, ${count(inSpool)} in the spool`,
  ].join(" ");

const endingDrill = Effect.suspend(() => {
  const rounds = values.rounds === undefined ? 10 : number("rounds");
  say(`The exit drill: ${rounds} rounds of ${Object.keys(Endings.ways).length} ways to end`);
  return Endings.run({ rounds, count: 200, say }).pipe(
    Effect.map((outcome) => report(outcome, endingsSummary(outcome))),
    Effect.provide(Endings.layer),
    Effect.scoped,
  );
});

const catalogDrill = Effect.suspend(() => {
  const events = number("events");
  const kept = values.database;
  if (kept !== undefined)
    return Effect.map(CatalogDrill.asked(kept, CatalogDrill.ended), (outcome) => {
      process.stdout.write(`${CatalogDrill.table(outcome, values.plans)}\n`);
    });
  say(`The catalog drill: a made-up year of ${count(events)} events`);
  return Effect.map(CatalogDrill.run({ events, say, isKept: values.keep }), (outcome) => {
    process.stdout.write(`${CatalogDrill.table(outcome, values.plans)}\n`);
    const over = outcome.timed.filter(({ goal, millis }) => millis > goal).length;
    const what = outcome.faults.length === 0 ? "Every report says what is true:" : "NOT as promised:";
    if (values.keep) say(`The database is kept in ${outcome.folder}`);
    report(
      outcome,
      `${what} ${count(outcome.events)} events, ${(outcome.bytes / 1e6).toFixed(0)} MB, folded in ${outcome.foldSeconds.toFixed(0)} s of processor, ${over} of ${outcome.timed.length} statements over their goal`,
    );
  });
});

const duckDbDrill = Effect.suspend(() => {
  say("The DuckDB drill: every view as it attaches them, and the Parquet of the export");
  return Effect.map(DuckDbDrill.run(say), ({ missing, ...outcome }) => {
    const isWhole = outcome.faults.length === 0 && missing === undefined;
    if (missing !== undefined) process.exitCode = 1;
    report(outcome, isWhole ? "DuckDB reads all of it" : `NOT shown: ${missing ?? "it reads not all of it"}`);
  }).pipe(Effect.provide(NodeServices.layer));
});

const damageSummary = ({ faults, seconds, verdicts }: Damage.Outcome): string => {
  const of = Damage.counted(verdicts);
  return [
    faults.length === 0 ? "Noticed, named and mended:" : `${of.failed} NOT as promised:`,
    `${of.planted} faults planted, ${of.noticed} noticed, ${of.byItself} whole by themselves, ${of.mended} mended,`,
    `reads ${of.trueReads} true, ${of.refusedReads} refused, ${of.wrongReads} wrong, ${seconds.toFixed(0)} s in all`,
  ].join(" ");
};

const damageDrill = Effect.suspend(() => {
  const faults = Damage.chosen({ numbers: values.fault, isShort: values.short });
  // One by its number is planted once more.
  const times = values.seeds === undefined ? (values.fault === "" ? 3 : 1) : number("seeds");
  const seeds = Array.from({ length: times }, (_, index) => seed + index);
  const notes = Verdicts.open(values.verdicts);
  say(`The damage drill: ${faults.length} faults, seeds ${seeds.join(", ")}`);
  return Effect.promise(() =>
    Damage.run({
      faults,
      seeds,
      atOnce: number("at-once"),
      stores: values.stores,
      minutes: values.minutes === undefined ? 1000 : number("minutes"),
      say,
      onVerdict: notes.add,
    }),
  ).pipe(
    Effect.map((outcome) => {
      if (values.save) say(`Written: ${savePage(notes.all())}`);
      report(outcome, damageSummary(outcome));
    }),
  );
});

const replicaSummary = ({ acknowledged, alone, byServer, faults, stored }: Replicas.Outcome): string =>
  [
    faults.length === 0 ? "Nothing lost:" : "NOT as promised:",
    `${count(acknowledged)} acknowledged, ${count(stored)} in the stream, ${byServer.map(count).join(", ")} in the files of the three servers,`,
    `${count(alone)} in a stream made of one server's files alone`,
  ].join(" ");

const replicaDrill = Effect.suspend(() => {
  const rounds = values.rounds === undefined ? 3 : number("rounds");
  say(`The replica drill: ${rounds} rounds, seed ${seed}`);
  return Effect.map(Replicas.run({ rounds, seed, say }), (outcome) => report(outcome, replicaSummary(outcome)));
});

const oddSummary = ({ events, faults, files, imported, longestMillis, named }: OddFiles.OddOutcome): string =>
  [
    faults.length === 0 ? "Each was imported, or refused by name and reason:" : "NOT as promised:",
    `${count(files)} odd files, ${count(imported)} imported, ${count(named)} named, ${count(events)} entries,`,
    `the slowest took ${longestMillis.toFixed(0)} ms of processor`,
  ].join(" ");

const oddDrill = Effect.suspend(() => {
  const files = number("files");
  say(`The drill of odd files: ${files} files, seed ${seed}`);
  return OddFiles.run({ files, seed }).pipe(
    Effect.map((outcome) => report(outcome, oddSummary(outcome))),
    Effect.provide([EventLogMemory.layer, NodeServices.layer]),
  );
});

const processSummary = ({ daemon, nats }: Soak.Outcome["halves"][number]): string =>
  `daemon ${(daemon.residentBytes / 1e6).toFixed(0)} MB and ${daemon.descriptors} descriptors, nats-server ${(nats.residentBytes / 1e6).toFixed(0)} MB and ${nats.descriptors}`;

const soakSummary = ({ faults, halves: [before, after], ...of }: Soak.Outcome): string =>
  [
    faults.length === 0 ? "Grew by what it was given:" : "NOT as promised:",
    `${count(of.said)} messages, ${count(of.answers)} answers, ${count(of.tasks)} tasks, ${count(of.watched)} watchers,`,
    `${count(of.commands)} commands, ${count(of.imported)} imported lines in ${count(of.seconds)} s;`,
    `first half ${processSummary(before)}; second half ${processSummary(after)};`,
    `${after.consumers} consumers, ${(after.walBytes / 1e6).toFixed(1)} MB of logs, folder ${(after.folderBytes / 1e6).toFixed(0)} MB`,
  ].join(" ");

const soakDrill = Effect.suspend(() => {
  const minutes = values.minutes === undefined ? 10 : number("minutes");
  say(`The soak drill: ${minutes} minutes of everything at once`);
  return Effect.map(
    Effect.promise(() => Soak.run({ seconds: minutes * 60, say })),
    (outcome) => report(outcome, soakSummary(outcome)),
  );
});

/** Loaded when it is asked for: it brings vitest with it. */
const mutantDrill = Effect.promise(async () => {
  const Mutants = await import("./Mutants.ts");
  const outcome = await Mutants.run({ only: values.only, say });
  for (const fault of outcome.faults) say(`- ${fault}`);
  const caught = outcome.verdicts.filter(({ caughtBy }) => caughtBy !== undefined).length;
  process.stdout.write(
    `${Mutants.table(outcome)}\n\n${caught} of ${outcome.verdicts.length} planted faults noticed.\n`,
  );
  if (outcome.faults.length > 0) process.exitCode = 1;
});

/** Loaded when it is asked for: a server and two suites are no part of the other drills. */
const conformance = Effect.promise(async () => {
  const { run: judge, suites, taskRuns } = await import("./Conformance.ts");
  const { Stage: Folder } = await import("../edge/cli/Program.ts");
  await using stage = new Folder();
  await stage.up();
  const counted = await judge({ data: stage.data, runs: [...taskRuns, ...suites], say });
  const sum = (of: (each: (typeof counted)[number]) => number) =>
    count(counted.reduce((all, each) => all + of(each), 0));
  const faults = counted.flatMap(({ faults: some }) => some);
  process.stdout.write(
    `${faults.length === 0 ? "Conforms:" : "NOT as promised:"} ${sum(({ passed }) => passed)} checks passed, ${sum(({ expected }) => expected.length)} failed as expected, ${faults.length} failed, ${sum(({ skipped }) => skipped)} skipped, in ${counted.length} runs.\n`,
  );
  if (faults.length > 0) process.exitCode = 1;
});

const nodeDrill = Effect.promise(() => import("./Nodes.ts")).pipe(
  Effect.flatMap(({ run: tryNodes }) => tryNodes(say)),
  Effect.map((isGood) => {
    process.stdout.write(isGood ? "Every Node that was tried runs the package.\n" : "NOT as promised.\n");
    if (!isGood) process.exitCode = 1;
  }),
  Effect.provide(NodeServices.layer),
);

const drills: Readonly<Record<string, Effect.Effect<void, unknown>>> = {
  sdks: sdkDrill,
  crashes,
  outages,
  tasks: taskDrill,
  waiting: waitingDrill,
  limits: limitDrill,
  catalog: catalogDrill,
  duckdb: duckDbDrill,
  exit: endingDrill,
  damage: damageDrill,
  files: oddDrill,
  soak: soakDrill,
  mutants: mutantDrill,
  replicas: replicaDrill,
  mcp: conformance,
  nodes: nodeDrill,
};
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const [name = "crashes"] = positionals;
const chosen = drills[name];
if (chosen === undefined) {
  say(`There is no drill ${name}. The drills are: ${Object.keys(drills).join(", ")}`);
  process.exit(2);
}

const drill = chosen.pipe(
  Effect.catch((error) =>
    Effect.sync(() => {
      say(error instanceof Stage.DrillFailed ? error.message : JSON.stringify(error));
      process.stdout.write(`The drill failed, seed ${seed}.\n`);
      process.exitCode = 1;
    }),
  ),
  Effect.provideService(References.MinimumLogLevel, "Error"),
  Effect.provide(NodeServices.layer),
);

NodeRuntime.runMain(drill, {
  teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) ? Number(process.exitCode ?? 0) : 1),
});
