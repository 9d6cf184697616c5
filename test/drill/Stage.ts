/**
 * What plays in the drill: a daemon with its nats-server, and importers that always have something to import. Each is
 * started again when it was killed; ending by itself is what none of them may do.
 */
import { Effect, Schema } from "effect";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as FreePort from "../../src/machine/nats/FreePort.ts";
import { commandLineOf, isAlive, pidIn } from "../../src/machine/Processes.ts";
import { Corpus } from "./Corpus.ts";
import { type Ended, type Program, start } from "./Program.ts";

/** The drill cannot go on, or what it was to show is not so. */
export class DrillFailed extends Schema.TaggedError<DrillFailed>()("DrillFailed", { message: Schema.String }) {}

const fail = (message: string) => new DrillFailed({ message });

/** What one importer is given to do. */
interface Work {
  readonly part: number;
  readonly paths: ReadonlyArray<string>;
}

interface Importer {
  program: Program | undefined;
  /** Connected, and at work on `part`. */
  part: number | undefined;
}

export interface Stage {
  readonly folder: string;
  readonly data: string;
  readonly notes: string;
  readonly corpus: Corpus;
  readonly port: number;
  daemon: Program | undefined;
  /** The daemon has said that it is ready. */
  ready: boolean;
  /** It was ready at least once. */
  hasRun: boolean;
  readonly importers: ReadonlyArray<Importer>;
  current: Work;
  /** Written while `current` is imported. */
  following: Work;
  readonly starts: { daemon: number; importer: number };
  /** Starts that failed in words, because something they need had just been killed. */
  readonly refused: Array<string>;
  /** When something was killed last: a start that was under way then may fail. */
  killedAt: number;
  /** The daemon is told to end and may do so. */
  closing: boolean;
}

const workOf = (corpus: Corpus): Work => {
  const paths = corpus.next();
  return { part: corpus.parts, paths };
};

export const make = Effect.fn("drill.stage")(function* (options: {
  readonly seed: number;
  readonly importers: number;
  readonly partBytes: number;
  readonly real: string | undefined;
}) {
  const folder = mkdtempSync(join(tmpdir(), "recollect-drill-"));
  const notes = join(folder, "acknowledged");
  mkdirSync(notes);
  const corpus = new Corpus({ ...options, folder: join(folder, "corpus") });
  const stage: Stage = {
    folder,
    data: join(folder, "data"),
    notes,
    corpus,
    port: yield* FreePort.find("127.0.0.1"),
    daemon: undefined,
    ready: false,
    hasRun: false,
    importers: Array.from({ length: options.importers }, () => ({ program: undefined, part: undefined })),
    current: workOf(corpus),
    following: workOf(corpus),
    starts: { daemon: 0, importer: 0 },
    refused: [],
    killedAt: 0,
    closing: false,
  };
  return stage;
});

/** The last lines of a log of the drill. */
export const lastWords = (stage: Stage, log: string): string => {
  try {
    return readFileSync(join(stage.folder, log), "utf8").trimEnd().split("\n").slice(-12).join("\n");
  } catch {
    return "(it said nothing)";
  }
};

/** The sentence with which a program gave up. */
const refusalIn = (words: string): string =>
  words.split("\n").findLast((line) => /^(?:recollect|importer): /.test(line)) ?? words;

const howItEnded = ({ code, signal }: Ended): string => (signal === null ? `exit code ${code}` : signal);

const daemonLog = "daemon.log";

/** Until it has run once, the daemon is told a port that is free; then it must come back to its port of last time. */
const daemonArgs = (stage: Stage): ReadonlyArray<string> => {
  const port = stage.hasRun ? [] : ["--port", String(stage.port)];
  return ["up", "--json", "--data", stage.data, ...port];
};

const address = Schema.fromJsonString(Schema.Struct({ ready: Schema.Literal(true), nats: Schema.String }));

/** One life of the daemon, from its start to its death. */
const liveDaemon = Effect.fnUntraced(function* (stage: Stage) {
  const startedAt = performance.now();
  const args = daemonArgs(stage);
  stage.starts.daemon++;
  const daemon = yield* start({ file: "src/main.ts", args, log: join(stage.folder, daemonLog) });
  stage.daemon = daemon;
  const line = yield* daemon.firstLine;
  if (line !== undefined) {
    const { nats } = yield* Schema.decodeEffect(address)(line).pipe(Effect.orDie);
    const expected = `nats://127.0.0.1:${stage.port}`;
    if (nats !== expected) return yield* fail(`a restarted daemon has NATS at ${nats}; publishers know ${expected}`);
    stage.ready = true;
    stage.hasRun = true;
  }
  const ended = yield* daemon.ended;
  if (stage.closing) return yield* Effect.never;
  if (daemon.wasKilled()) return;
  const words = lastWords(stage, daemonLog);
  if (line !== undefined || stage.killedAt < startedAt)
    return yield* fail(`the daemon ended by itself (${howItEnded(ended)}):\n${words}`);
  stage.refused.push(refusalIn(words));
}, Effect.scoped);

const sinceDeath = (stage: Stage) =>
  Effect.sync(() => {
    stage.daemon = undefined;
    stage.ready = false;
  });

/** Never returns; fails when the daemon does what it must not. */
export const keepDaemon = (stage: Stage) => Effect.forever(Effect.ensuring(liveDaemon(stage), sinceDeath(stage)));

const importerLog = "importer.log";

/** Every life of an importer has a file of its own: the last line of one that was killed may be torn. */
const notesFile = (stage: Stage): string =>
  join(stage.notes, `${String(++stage.starts.importer).padStart(5, "0")}.txt`);

/** The part is done: the next one is there already, and the one after it is written while that is imported. */
const advance = (stage: Stage, part: number | undefined): void => {
  if (part !== stage.current.part) return;
  stage.current = stage.following;
  stage.following = workOf(stage.corpus);
};

/** An importer that starts this soon after a kill may find nobody there. */
const startPatienceMillis = 5_000;

/** One life of an importer. */
const liveImporter = Effect.fnUntraced(function* (stage: Stage, importer: Importer) {
  const startedAt = performance.now();
  const program = yield* start({
    file: "test/drill/importer.ts",
    args: [stage.data, notesFile(stage)],
    log: join(stage.folder, importerLog),
    onLine: () => {
      // The last words of one that was killed may arrive when the next one has begun.
      if (importer.program !== program) return;
      if (importer.part !== undefined) advance(stage, importer.part);
      importer.part = stage.current.part;
      program.tell(JSON.stringify(stage.current.paths));
    },
  });
  importer.program = program;
  const ended = yield* program.ended;
  if (program.wasKilled()) return;
  const words = lastWords(stage, importerLog);
  if (importer.part !== undefined || stage.killedAt < startedAt - startPatienceMillis)
    return yield* fail(
      `an importer ${importer.part} ${startedAt} ${stage.killedAt} ${performance.now()} ended by itself (${howItEnded(ended)}):\n${words}`,
    );
  stage.refused.push(refusalIn(words));
}, Effect.scoped);

const rest = (importer: Importer) =>
  Effect.sync(() => {
    importer.program = undefined;
    importer.part = undefined;
  });

/** Never returns; fails when an importer does what it must not. */
export const keepImporters = (stage: Stage) =>
  Effect.forEach(
    stage.importers,
    (importer) => Effect.forever(Effect.ensuring(liveImporter(stage, importer), rest(importer))),
    { concurrency: "unbounded", discard: true },
  ).pipe(Effect.andThen(Effect.never));

/** The nats-server of this stage, when it runs. */
export const natsPid = (stage: Stage): number | undefined => {
  const file = join(stage.data, "nats", "nats-server.pid");
  const pid = pidIn(file);
  return pid !== undefined && isAlive(pid) && commandLineOf(pid).includes(file) ? pid : undefined;
};

/** Kills it; true when there was one. */
export const killNats = (stage: Stage): boolean => {
  const pid = natsPid(stage);
  if (pid === undefined) return false;
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    // It ended in the moment between.
    return false;
  }
};

/** An importer to the end, in one process: what it was told, and what it reports. */
export const importOnce = Effect.fnUntraced(function* (stage: Stage, paths: ReadonlyArray<string>) {
  const lines: Array<string> = [];
  const program = yield* start({
    file: "test/drill/importer.ts",
    args: [stage.data, notesFile(stage)],
    log: join(stage.folder, importerLog),
    onLine: (line) => {
      lines.push(line);
      if (lines.length === 1) program.tell(JSON.stringify(paths));
      else program.finish();
    },
  });
  const ended = yield* program.ended;
  const report = lines[1];
  if (ended.code !== 0 || report === undefined) {
    return yield* fail(`the import ended with ${howItEnded(ended)}:\n${lastWords(stage, importerLog)}`);
  }
  return report;
}, Effect.scoped);
