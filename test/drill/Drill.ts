/**
 * The crash drill: while transcripts are imported, kill -9 at random moments importer, daemon and nats-server; then
 * hold what is there against what was promised.
 *
 * Afterwards: every acknowledged event is in the stream exactly once, at the sequence that was acknowledged; the
 * next import appends exactly what is missing, and the one after it nothing; the stream equals that of an import
 * which nothing disturbed; large entries have their bytes; threads read from snapshots are those of their history;
 * `recollect verify` passes; the ledger has every event once; nothing is left running.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, Schedule, Schema } from "effect";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { importPaths } from "../../src/edge/import/Importer.ts";
import { finder } from "../../src/log/connection/ServerAccess.ts";
import type { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { reading } from "../../src/main/Layers.ts";
import type { ThreadReader } from "../../src/snapshot/ThreadReader.ts";
import * as Checks from "./Checks.ts";
import { type Dice, dice } from "./Dice.ts";
import * as Notes from "./Notes.ts";
import { start } from "./Program.ts";
import * as Readers from "./Readers.ts";
import * as Stage from "./Stage.ts";

const kinds = ["importer", "daemon", "nats-server"] as const;
type Kind = (typeof kinds)[number];

export interface Options {
  readonly kills: number;
  readonly seed: number;
  /** Importers at once, each with the same files. */
  readonly importers?: number;
  /** New bytes in each part of the corpus. Default 3 MB: an importer that nobody kills needs about half a second. */
  readonly partBytes?: number;
  /** A folder of real transcripts; none: made-up ones only. */
  readonly real: string | undefined;
  readonly say: (line: string) => void;
}

export interface Outcome {
  readonly kills: Readonly<Record<Kind, number>>;
  /** Kills that came while an importer was connected and had something to import. */
  readonly atWork: number;
  readonly importers: number;
  readonly corpusBytes: number;
  /** In the stream at the end, and how many of them have their entry in the object store. */
  readonly events: number;
  readonly blobs: number;
  /** Of these, acknowledged before the last kill; the rest of `before` was written, but its importer never learnt it. */
  readonly acknowledged: number;
  readonly before: number;
  /** Starts that found nobody there because of a kill, and said so. */
  readonly refused: ReadonlyArray<string>;
  readonly killSeconds: number;
  readonly seconds: number;
  /** What is not as promised; empty when all is well. */
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
}

/** Nothing that is waited for takes longer, on a slow machine too: the slowest is a daemon that starts again. */
const patienceMillis = 90_000;
const lookMillis = 5;

/** Waits for a condition; names it when it does not come. */
const until = Effect.fnUntraced(function* (stage: Stage.Stage, what: string, holds: () => boolean) {
  yield* Effect.sync(holds).pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced(lookMillis) }),
    Effect.timeoutOrElse({
      duration: patienceMillis,
      orElse: () =>
        new Stage.DrillFailed({
          message: `waited ${patienceMillis / 1000} s in vain until ${what}\n${Stage.lastWords(stage, "daemon.log")}`,
        }),
    }),
  );
});

/** The importer is where acknowledgements arrive, and it is the quickest to start again. */
const pickKind = (from: Dice): Kind =>
  from.pick(["importer", "importer", "importer", "nats-server", "nats-server", "daemon"]);

/**
 * When the next kill comes, milliseconds after events were acknowledged since the last one. One in six does not wait
 * for that: it falls into the recovery from the one before.
 */
const pauseOf = (from: Dice) =>
  from.chance(1 / 6)
    ? { settled: false, millis: from.between(0, 400) }
    : { settled: true, millis: from.between(0, 300) };

/** Sends the kill, if there is a process to get it. */
const strike = (stage: Stage.Stage, kind: Kind, from: Dice): boolean => {
  switch (kind) {
    case "importer": {
      const importer = stage.importers[from.between(0, stage.importers.length - 1)];
      return importer?.program?.signal("SIGKILL") ?? false;
    }
    case "daemon":
      return stage.daemon?.signal("SIGKILL") ?? false;
    case "nats-server":
      return Stage.killNats(stage);
  }
};

interface Tally {
  readonly kills: Record<Kind, number>;
  atWork: number;
}

const killAll = Effect.fnUntraced(function* (stage: Stage.Stage, options: Options, tally: Tally) {
  const from = dice(options.seed, -1);
  const begun = performance.now();
  for (let kill = 1; kill <= options.kills; kill++) {
    const kind = pickKind(from);
    const { millis, settled } = pauseOf(from);
    const size = Notes.size(stage.notes);
    if (settled) yield* until(stage, "events were acknowledged", () => Notes.size(stage.notes) > size);
    yield* Effect.sleep(millis);
    let atWork = false;
    yield* until(stage, `there was a process to kill (${kind})`, () => {
      atWork = stage.importers.some(({ part }) => part !== undefined);
      return strike(stage, kind, from);
    });
    stage.killedAt = performance.now();
    tally.kills[kind]++;
    if (atWork) tally.atWork++;
    if (kill % 10 === 0 || kill === options.kills) {
      const seconds = ((performance.now() - begun) / 1000).toFixed(0);
      options.say(`${kill} kills in ${seconds} s, part ${stage.current.part} of the corpus is being imported`);
    }
  }
});

const Report = Schema.fromJsonString(Schema.Struct({ eventsAppended: Schema.Int, duplicates: Schema.Int }));

const importAll = Effect.fnUntraced(function* (stage: Stage.Stage) {
  return yield* Schema.decodeEffect(Report)(yield* Stage.importOnce(stage, [stage.corpus.folder])).pipe(Effect.orDie);
});

const verify = Effect.fnUntraced(function* (stage: Stage.Stage) {
  let said = "";
  const program = yield* start({
    file: "src/main.ts",
    args: ["verify", "--json", "--data", stage.data],
    log: join(stage.folder, "verify.log"),
    onLine: (line) => {
      said += line;
    },
  });
  const { code } = yield* program.ended;
  return { code, said };
}, Effect.scoped);

const Verified = Schema.fromJsonString(Schema.Struct({ ok: Schema.Boolean, upTo: Schema.Int }));

/** Asks the store over a connection of its own. The last kill may have been nats-server's: it is dialled until it answers. */
const ask = <A, E>(stage: Stage.Stage, question: Effect.Effect<A, E, EventLog | ThreadReader>) =>
  question.pipe(
    Effect.provide(
      reading({ servers: `nats://127.0.0.1:${stage.port}`, name: "drill", access: finder({ root: stage.data }) }),
    ),
    Effect.retry({ schedule: Schedule.spaced(100), times: patienceMillis / 100 }),
  );

/** The stream of an import of the same files that nothing disturbs. */
const undisturbed = (stage: Stage.Stage) =>
  Effect.andThen(importPaths({ paths: [stage.corpus.folder] }), Checks.readStream).pipe(
    Effect.provide(Layer.merge(EventLogMemory.layer, NodeServices.layer)),
  );

/** Everything that must hold after the last kill. */
const judge = Effect.fnUntraced(function* (stage: Stage.Stage, say: Options["say"]) {
  const faults: Array<string> = [];
  const must = (holds: boolean, otherwise: string) => void (holds || faults.push(otherwise));
  yield* until(stage, "the daemon was ready", () => stage.ready);
  stage.corpus.finish();

  const notes = Notes.read(stage.notes);
  const before = yield* ask(stage, Checks.readStream);
  const acknowledged = new Set(notes.map(({ id }) => id)).size;
  say(`after the last kill: ${before.length} events, ${acknowledged} of them acknowledged; importing the rest`);
  faults.push(...Checks.sound(before), ...Checks.kept(before, notes));

  const last = yield* importAll(stage);
  const held = yield* ask(stage, Checks.readStream);
  const appended = held.length - before.length;
  must(last.eventsAppended === appended, `the last import reports ${last.eventsAppended} events and wrote ${appended}`);
  faults.push(...Checks.sound(held), ...Checks.kept(held, Notes.read(stage.notes)));
  must(
    before.every(({ id }, index) => held[index]?.id === id),
    "the last import changed what was there before it",
  );

  const again = yield* importAll(stage);
  must(again.eventsAppended === 0, `a further import appended ${again.eventsAppended} events`);
  say(`${appended} more; a further import appended ${again.eventsAppended}; comparing with an undisturbed import`);
  faults.push(...Checks.equal({ held, undisturbed: yield* undisturbed(stage), threads: stage.corpus.sessions }));

  const blobs = yield* ask(stage, Readers.blobs(held));
  faults.push(...blobs.faults, ...(yield* ask(stage, Readers.snapshots(stage.corpus.sessions))));

  const database = join(stage.data, "recollect.db");
  yield* until(stage, "the read models had caught up", () => Checks.checkpoint(database) >= held.length);
  faults.push(...Checks.recorded(database, held));
  say("recollect verify");
  const { code, said } = yield* verify(stage);
  must(code === 0, `recollect verify ended with exit code ${code}: ${said.slice(0, 2000)}`);
  if (code === 0) {
    const { upTo } = yield* Schema.decodeEffect(Verified)(said).pipe(Effect.orDie);
    must(upTo === held.length, `recollect verify compared ${upTo} of ${held.length} events`);
  }
  return { faults, acknowledged, before: before.length, events: held.length, blobs: blobs.count };
});

/** Ctrl-C for the daemon: it ends in order and takes its nats-server along. */
const close = Effect.fnUntraced(function* (stage: Stage.Stage) {
  const { daemon } = stage;
  if (daemon === undefined) return ["there was no daemon at the end"];
  const nats = Stage.natsPid(stage);
  daemon.signal("SIGINT");
  const ended = yield* daemon.ended;
  return [
    ...(ended.signal === null ? [] : [`the daemon did not end in order: ${ended.signal}`]),
    ...(nats !== undefined && Stage.natsPid(stage) !== undefined ? [`nats-server ${nats} was left running`] : []),
  ];
});

const play = Effect.fnUntraced(function* (stage: Stage.Stage, options: Options, tally: Tally) {
  const kills = Effect.raceFirst(killAll(stage, options, tally), Stage.keepImporters(stage));
  const begun = performance.now();
  yield* kills;
  const killSeconds = (performance.now() - begun) / 1000;
  const judged = yield* judge(stage, options.say);
  return { ...judged, killSeconds };
});

/** Runs the drill. Fails when it cannot go on; what is not as promised is in `faults`. */
export const run = Effect.fn("drill.run")(function* (options: Options) {
  const begun = performance.now();
  const { importers = 1, partBytes = 3_000_000, real, seed } = options;
  const stage = yield* Stage.make({ seed, importers, partBytes, real });
  options.say(`in ${stage.folder}`);
  const tally: Tally = { kills: { importer: 0, daemon: 0, "nats-server": 0 }, atWork: 0 };
  const all = Effect.gen(function* () {
    const played = yield* play(stage, options, tally);
    stage.closing = true;
    return { ...played, faults: [...played.faults, ...(yield* close(stage))] };
  });
  const played = yield* Effect.raceFirst(all, Stage.keepDaemon(stage)).pipe(
    Effect.mapError((error) => {
      const why = error._tag === "DrillFailed" ? error.message : JSON.stringify(error);
      return new Stage.DrillFailed({ message: `${why}\nEverything is kept in ${stage.folder}` });
    }),
  );
  const outcome: Outcome = {
    ...played,
    ...tally,
    importers: stage.starts.importer,
    corpusBytes: stage.corpus.bytes,
    refused: stage.refused,
    seconds: (performance.now() - begun) / 1000,
    folder: stage.folder,
  };
  if (outcome.faults.length === 0) rmSync(stage.folder, { recursive: true, force: true });
  return outcome;
});
