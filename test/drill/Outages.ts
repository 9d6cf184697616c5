/**
 * The outage drill: while four processes that share a spool speak in the same threads, NATS goes away again and again,
 * in every way it can; now and then a publisher is killed as well. Then hold what is there against what was accepted.
 *
 * Most outages are followed by a calm, which begins when every publisher has been sent to the log again: so messages
 * go both ways in about even parts, and the way back is gone as often as the way out.
 *
 * Afterwards: everything accepted is in the log exactly once, each writer's words in each thread in its order without
 * a gap, the spool is empty and nothing is set aside, nothing is left running; and enough of it went directly.
 */
import { Effect, Option, Schedule, type Scope } from "effect";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reading } from "../../src/main/Layers.ts";
import { targetOf } from "../../src/publish/drain/SpoolDrainer.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { proxy } from "../log/proxy.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { type Dice, dice } from "./Dice.ts";
import { judge, lastTold, notesIn, percentiles, returnsIn, saidIn } from "./OutageNotes.ts";
import { type Program, start } from "./Program.ts";
import { DrillFailed } from "./Stage.ts";

/**
 * - `killed`: kill -9, and a new server at the end of the outage
 * - `stopped`: it hangs (SIGSTOP) and goes on as if nothing had been (SIGCONT)
 * - `silent`: connections are taken and what is said is heard, but no answer comes; in the end they are cut
 * - `refused`: every connection is cut, new ones too
 */
const kinds = ["killed", "stopped", "silent", "refused"] as const;
type Kind = (typeof kinds)[number];

export interface Options {
  readonly outages: number;
  readonly seed: number;
  readonly publishers?: number;
  readonly threads?: number;
  /** The shortest and the longest outage; in between as many from 0.1 to 1 s as from 1 to 10 s. */
  readonly shortestMillis?: number;
  readonly longestMillis?: number;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly outages: Readonly<Record<Kind, number>>;
  readonly outageSeconds: number;
  /** Publishers that were killed and started again. */
  readonly killed: number;
  /** Messages that a publisher was told are safe, and what it was told. */
  readonly accepted: number;
  readonly tags: Readonly<Record<string, number>>;
  /** In the log: those and what a killed publisher did not live to note. */
  readonly events: number;
  /** How often a publisher that had spooled a message wrote the next one directly. */
  readonly returns: number;
  /** How long calls took, milliseconds: the middle, 99 of 100, and the longest. */
  readonly callMillis: readonly [number, number, number];
  /** The longest time from the end of an outage to an empty spool, and to every publisher writing directly, seconds. */
  readonly longestRecoverySeconds: number;
  readonly longestReturnSeconds: number;
  readonly seconds: number;
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

/**
 * From the end of an outage to everything delivered. A dial comes after half the time away, at most 10 s, a probe takes
 * up to 10 s; the rest is for a machine with much else to do.
 */
const recoveryPatienceMillis = 180_000;
const lookMillis = 20;
/** One outage in so many begins before the one before is over with. */
const hastyOneIn = 5;
/** In one outage of so many a publisher is killed. */
const killOneIn = 6;
/** The calm after an outage that was waited for: as long as the outage, but within these bounds, and a random part more. */
const calmMillis = { shortest: 500, longest: 10_000 };
/** At least so many of all messages go directly, or the drill tries only half of what it is for. */
const leastDirectShare = 0.2;

/** A publisher that runs, and where it notes what it was told. */
interface Publishing {
  readonly program: Program;
  readonly notes: string;
}

interface Stage {
  readonly folder: string;
  readonly url: string;
  readonly options: Required<Options>;
  readonly publishers: Array<Publishing | undefined>;
  lives: number;
  isClosing: boolean;
  readonly faults: Array<string>;
}

/** One life of a publisher, with notes of its own. */
const live = Effect.fnUntraced(function* (stage: Stage, index: number) {
  const name = `p${index}.${++stage.lives}`;
  const { folder, options, url } = stage;
  const notes = join(folder, "notes", name);
  const program = yield* start({
    file: "test/drill/publisher.ts",
    args: [join(folder, "data"), url, notes, name, String(options.threads)],
    log: join(folder, "publishers.log"),
  });
  stage.publishers[index] = { program, notes };
  yield* program.firstLine;
  const { code, signal } = yield* program.ended;
  stage.publishers[index] = undefined;
  if (program.wasKilled()) return;
  if (code !== 0) stage.faults.push(`the publisher ${name} ended with ${code ?? signal}`);
  else if (!stage.isClosing) stage.faults.push(`the publisher ${name} ended by itself`);
}, Effect.scoped);

/** Returns when all have been told to stop and have stopped. */
const keepPublishers = (stage: Stage) =>
  Effect.forEach(
    stage.publishers.keys().toArray(),
    (index) => Effect.repeat(live(stage, index), { until: () => stage.isClosing || stage.faults.length > 0 }),
    { concurrency: "unbounded", discard: true },
  );

interface Line {
  readonly server: NatsServer.NatsServer["Service"];
  readonly between: Effect.Success<ReturnType<typeof proxy>>;
}

const outage = Effect.fnUntraced(function* ({ between, server }: Line, kind: Kind, millis: number) {
  const running = yield* server.process.pid;
  if (Option.isNone(running)) return yield* new DrillFailed({ message: "there is no nats-server to disturb" });
  const pid = running.value;
  switch (kind) {
    case "killed":
      process.kill(pid, "SIGKILL");
      yield* server.stop;
      yield* Effect.sleep(millis);
      return yield* server.start;
    case "stopped":
      process.kill(pid, "SIGSTOP");
      yield* Effect.sleep(millis);
      process.kill(pid, "SIGCONT");
      return;
    case "silent":
      yield* between.mute;
      yield* Effect.sleep(millis);
      yield* between.cut;
      return yield* between.unmute;
    case "refused":
      yield* between.close;
      yield* Effect.sleep(millis);
      return yield* between.open;
  }
});

/**
 * Returns the time it took until each publisher that runs has been told of a message, made after this call, that the log
 * has it. A log that is there and answers must not be left for the spool for longer than patience lasts.
 */
const allDirect = Effect.fnUntraced(function* (stage: Stage) {
  const began = performance.now();
  const before = new Map(stage.publishers.flatMap((one) => (one ? [[one.notes, lastTold(one.notes).bytes]] : [])));
  const isDirect = ({ notes }: Publishing) => {
    const { bytes, tag } = lastTold(notes);
    return tag === "Appended" && bytes > (before.get(notes) ?? 0);
  };
  yield* Effect.sync(() => stage.publishers.every((one) => one !== undefined && isDirect(one))).pipe(
    Effect.repeat({ until: (all) => all, schedule: Schedule.spaced(5 * lookMillis) }),
    Effect.timeoutOrElse({
      duration: recoveryPatienceMillis,
      orElse: () =>
        new DrillFailed({
          message: `not every publisher writes directly ${recoveryPatienceMillis / 1000} s after an outage`,
        }),
    }),
  );
  return (performance.now() - began) / 1000;
});

/** Log-uniform, so that short ones and long ones are both tried often. */
const lengthOf = (from: Dice, { longestMillis, shortestMillis }: Required<Options>): number =>
  Math.round(shortestMillis * (longestMillis / shortestMillis) ** from.next());

type OpenSpool = Effect.Success<ReturnType<typeof SpoolSqlite.make>>;

/**
 * Returns the time it took until the log had everything that waited at the end of the outage, or fails. On a busy
 * machine the log may stay slower than patience, and what comes next goes through the spool: it is not waited for.
 */
const recovered = Effect.fnUntraced(function* (spool: OpenSpool) {
  const began = performance.now();
  const { newest } = yield* Effect.orDie(spool.state);
  yield* Effect.orDie(spool.isWaiting({ after: 0, upTo: newest })).pipe(
    Effect.repeat({ until: (waiting) => !waiting, schedule: Schedule.spaced(lookMillis) }),
    Effect.timeoutOrElse({
      duration: recoveryPatienceMillis,
      orElse: () =>
        new DrillFailed({
          message: `what waited at the end of an outage still waits after ${recoveryPatienceMillis / 1000} s`,
        }),
    }),
  );
  return (performance.now() - began) / 1000;
});

interface Tally {
  readonly outages: Record<Kind, number>;
  outageMillis: number;
  killed: number;
  longestRecoverySeconds: number;
  longestReturnSeconds: number;
}

/** Returns when every publisher has been told that something is safe. */
const allSpeak = (stage: Stage) => {
  const folder = join(stage.folder, "notes");
  const speaking = () => readdirSync(folder).filter((file) => statSync(join(folder, file)).size > 0).length;
  return Effect.sync(() => speaking() >= stage.publishers.length).pipe(
    Effect.repeat({ until: (all) => all, schedule: Schedule.spaced(lookMillis) }),
    Effect.timeoutOrElse({
      duration: recoveryPatienceMillis,
      orElse: () => new DrillFailed({ message: "not every publisher began to speak" }),
    }),
  );
};

const disturb = Effect.fnUntraced(function* (stage: Stage, line: Line, tally: Tally) {
  const { options } = stage;
  const from = dice(options.seed, -2);
  const spool = yield* SpoolSqlite.make({ file: join(stage.folder, "data", "spool.db"), target: targetOf(stage.url) });
  yield* allSpeak(stage);
  const began = performance.now();
  for (let index = 1; index <= options.outages; index++) {
    const kind = from.pick(kinds);
    const millis = lengthOf(from, options);
    const victim = from.chance(1 / killOneIn) ? from.between(0, stage.publishers.length - 1) : undefined;
    const isHasty = from.chance(1 / hastyOneIn) && index < options.outages;
    const pause = from.between(50, 400);
    const calm = Math.min(Math.max(millis, calmMillis.shortest), calmMillis.longest) * (1 + from.next());
    if (victim !== undefined && stage.publishers[victim]?.program.signal("SIGKILL") === true) tally.killed++;
    yield* outage(line, kind, millis);
    tally.outages[kind]++;
    tally.outageMillis += millis;
    if (!isHasty) {
      const seconds = yield* recovered(spool);
      if (seconds > tally.longestRecoverySeconds) {
        tally.longestRecoverySeconds = seconds;
        options.say(`${index}: ${kind} for ${(millis / 1000).toFixed(1)} s, recovered after ${seconds.toFixed(1)} s`);
      }
      tally.longestReturnSeconds = Math.max(tally.longestReturnSeconds, seconds + (yield* allDirect(stage)));
      yield* Effect.sleep(calm);
    }
    yield* Effect.sleep(pause);
    if (index % 10 === 0 || index === options.outages) {
      options.say(`${index} outages in ${((performance.now() - began) / 1000).toFixed(0)} s`);
    }
  }
  stage.isClosing = true;
  for (const publisher of stage.publishers) publisher?.program.finish();
  return spool;
});

const play = Effect.fnUntraced(function* (stage: Stage, line: Line, tally: Tally) {
  const [spool] = yield* Effect.all([disturb(stage, line, tally), keepPublishers(stage)], { concurrency: 2 });
  // Those that closed while something was on its way have left it to the next process.
  yield* Effect.scoped(
    Effect.gen(function* () {
      if ((yield* Effect.orDie(spool.state)).waiting === 0) return;
      stage.options.say("what the last ones left is drained by another process");
      const last = yield* start({
        file: "src/main.ts",
        args: ["spool", "drain", "--json", "--data", join(stage.folder, "data"), "--nats-url", stage.url],
        log: join(stage.folder, "publishers.log"),
      });
      const { code } = yield* last.ended;
      if (code !== 0) stage.faults.push(`recollect spool drain ended with ${code}`);
    }),
  );
  const state = yield* Effect.orDie(spool.state);
  if (state.waiting > 0 || state.setAside > 0) stage.faults.push(`the spool is not empty: ${JSON.stringify(state)}`);
  const said = yield* saidIn.pipe(Effect.provide(reading({ servers: line.server.url, name: "outage drill" })));
  const notes = notesIn(join(stage.folder, "notes"));
  stage.faults.push(...judge(said, notes));
  const tags: Record<string, number> = {};
  for (const { tag } of notes) tags[tag] = (tags[tag] ?? 0) + 1;
  const share = (tags["Appended"] ?? 0) / notes.length;
  if (!(share >= leastDirectShare))
    stage.faults.push(`only ${(100 * share).toFixed(0)} % of the messages went directly`);
  const returns = returnsIn(notes);
  return { events: said.length, accepted: notes.length, tags, returns, callMillis: percentiles(notes) };
});

/** Runs the drill. Fails when it cannot go on; what is not as promised is in `faults`. */
export const run = Effect.fn("drill.outages")(function* (
  given: Options,
): Effect.fn.Return<Outcome, DrillFailed, Scope.Scope> {
  const began = performance.now();
  const options = { publishers: 4, threads: 6, shortestMillis: 100, longestMillis: 60_000, ...given };
  const folder = mkdtempSync(join(tmpdir(), "recollect-outages-"));
  options.say(`in ${folder}`);
  mkdirSync(join(folder, "notes"));
  mkdirSync(join(folder, "data"));
  const server = yield* NatsServer.make({ storeFolder: join(folder, "nats"), stream: true });
  const between = yield* proxy(server.url);
  const publishers: Stage["publishers"] = Array.from({ length: options.publishers }, () => undefined);
  const stage: Stage = { folder, url: between.url, options, publishers, lives: 0, isClosing: false, faults: [] };
  const tally: Tally = {
    outages: { killed: 0, stopped: 0, silent: 0, refused: 0 },
    outageMillis: 0,
    killed: 0,
    longestRecoverySeconds: 0,
    longestReturnSeconds: 0,
  };
  const played = yield* play(stage, { between, server }, tally).pipe(
    Effect.mapError((error) => {
      const why = error._tag === "DrillFailed" ? error.message : JSON.stringify(error);
      return new DrillFailed({ message: `${why}\nEverything is kept in ${folder}` });
    }),
  );
  if (stage.faults.length === 0) rmSync(folder, { recursive: true, force: true });
  const { killed, longestRecoverySeconds, longestReturnSeconds, outageMillis, outages } = tally;
  return {
    ...played,
    outages,
    outageSeconds: outageMillis / 1000,
    killed,
    longestRecoverySeconds,
    longestReturnSeconds,
    seconds: (performance.now() - began) / 1000,
    faults: stage.faults,
    folder,
  };
});
