/**
 * The soak drill: publishers, streaming answers, tasks, watchers that come and go, commands and a growing import at once,
 * for seconds to hours, with bounds on what may grow.
 *
 * Samples of the daemon and of its nats-server are compared in two halves: what a process takes to get warm belongs to the
 * first, and what it goes on taking is a leak. Watchers leave no consumer behind. In the end everything that was said is
 * in the read models once, and `verify` finds nothing.
 */
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Effect, ManagedRuntime } from "effect";
import { Recollect } from "../../src/client/Recollect.ts";
import { finder } from "../../src/log/connection/ServerAccess.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { pidIn } from "../../src/machine/Processes.ts";
import { session, Stage } from "../edge/cli/Program.ts";

/** One process at one moment. */
interface Process {
  readonly residentBytes: number;
  readonly descriptors: number;
}

interface Sample {
  readonly daemon: Process;
  readonly nats: Process;
  readonly consumers: number;
  readonly folderBytes: number;
  readonly walBytes: number;
}

export interface Outcome {
  readonly seconds: number;
  readonly said: number;
  readonly answers: number;
  readonly tasks: number;
  readonly watched: number;
  readonly commands: number;
  readonly imported: number;
  /** Medians of the two halves of all samples. */
  readonly halves: readonly [Sample, Sample];
  readonly faults: ReadonlyArray<string>;
  readonly folder: string;
}

/** Growth from the first half to the second, beyond which it is a leak. */
const mostGrowth = { residentShare: 0.25, residentBytes: 48 * 1024 * 1024, descriptors: 8 };
/** A log of SQLite is reset at its checkpoint, every 1,000 pages; readers may hold it for a moment. */
const mostWalBytes = 64 * 1024 * 1024;
const sampleMillis = 500;

const processOf = (pid: number): Process => ({
  residentBytes: Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024,
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
});

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

const sizeOf = (files: ReadonlyArray<string>): number =>
  files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

const halfOf = (samples: ReadonlyArray<Sample>): Sample => {
  const of = (read: (sample: Sample) => number) => median(samples.map(read));
  const process = (read: (sample: Sample) => Process): Process => ({
    residentBytes: of((sample) => read(sample).residentBytes),
    descriptors: of((sample) => read(sample).descriptors),
  });
  return {
    daemon: process(({ daemon }) => daemon),
    nats: process(({ nats }) => nats),
    consumers: of(({ consumers }) => consumers),
    folderBytes: of(({ folderBytes }) => folderBytes),
    walBytes: of(({ walBytes }) => walBytes),
  };
};

/** A connection of the drill's own, as the folder's programs have it; a busy machine may take long to accept it. */
const connectionTo = (stage: Stage) =>
  ManagedRuntime.make(
    NatsConnection.layer({
      servers: stage.instance()?.nats ?? "",
      access: finder({ root: stage.data }),
      connectTimeoutMillis: 60_000,
    }),
  );
type Connection = ReturnType<typeof connectionTo>;

/** Consumers of the stream of record. */
const consumersOf = (connection: Connection): Promise<number> =>
  connection.runPromise(
    Effect.gen(function* () {
      const { nc } = yield* NatsConnection.NatsConnection;
      const answer = yield* Effect.promise(() => nc.request("$JS.API.STREAM.INFO.RECOLLECT", "", { timeout: 60_000 }));
      const { state }: { readonly state: { readonly consumer_count: number } } = answer.json();
      return state.consumer_count;
    }),
  );

const sample = async (stage: Stage, connection: Connection): Promise<Sample> => {
  const files = filesIn(stage.data);
  return {
    daemon: processOf(stage.instance()?.pid ?? 0),
    nats: processOf(pidIn(join(stage.data, "nats", "nats-server.pid")) ?? 0),
    consumers: await consumersOf(connection),
    folderBytes: sizeOf(files),
    walBytes: sizeOf(files.filter((file) => file.endsWith("-wal"))),
  };
};

const leaksOf = (name: string, before: Process, after: Process): ReadonlyArray<string> => {
  const more = after.residentBytes - before.residentBytes;
  const most = Math.max(mostGrowth.residentBytes, before.residentBytes * mostGrowth.residentShare);
  const opened = after.descriptors - before.descriptors;
  return [
    ...(more > most ? [`${name} took ${(more / 1e6).toFixed(0)} MB more in the second half`] : []),
    ...(opened > mostGrowth.descriptors ? [`${name} held ${opened} descriptors more in the second half`] : []),
  ];
};

/** What goes on at once: each does one piece of work, again and again until the time is over, and returns how many. */
const works = (stage: Stage, recollect: Recollect): Readonly<Record<string, (round: number) => Promise<number>>> => ({
  said: async (round) => {
    const text = `message ${round}`;
    await Promise.all([0, 1, 2].map((n) => recollect.thread(`soak ${n}`).say({ role: "user", text })));
    return 3;
  },
  answers: async (round) => {
    const answer = recollect.thread("soak answers").answer({ role: "assistant" });
    for (let n = 0; n < 50; n++) answer.delta(`word ${round}.${n} `);
    await answer.complete();
    return 1;
  },
  tasks: async (round) => {
    const { taskId } = await recollect.tasks.submit({ agentType: "soak", message: `task ${round}` });
    const { status } = await recollect.tasks.result(taskId);
    if (status !== "completed") throw new Error(`a task ended as ${status}`);
    return 1;
  },
  watched: async () => {
    for await (const seen of recollect.watch({ thread: "soak 0" })) if (seen._tag === "CaughtUp") break;
    return 1;
  },
  commands: async (round) => {
    const words = [["threads"], ["sql", "SELECT count(*) AS n FROM v_messages"], ["status"]][round % 3] ?? [];
    await stage.json(words);
    return 1;
  },
  imported: async (round) => {
    const file = join(stage.folder, "growing.jsonl");
    appendFileSync(file, session("growing", [`line ${round}`], round));
    await stage.json(["import", file]);
    return 1;
  },
});

/** Everything that was said, once, by the read models. */
const missing = async (stage: Stage, counts: Readonly<Record<string, number>>): Promise<ReadonlyArray<string>> => {
  const [row] = await stage.json<ReadonlyArray<{ readonly said: number; readonly answers: number; lines: number }>>([
    "sql",
    "SELECT count(*) FILTER (WHERE thread_id IN ('soak 0', 'soak 1', 'soak 2')) AS said, count(*) FILTER (WHERE thread_id = 'soak answers') AS answers, count(*) FILTER (WHERE thread_id = 'growing') AS lines FROM v_messages",
  ]);
  const of = { said: row?.said, answers: row?.answers, imported: row?.lines };
  return Object.entries(of).flatMap(([name, found]) =>
    found === counts[name] ? [] : [`${name}: ${counts[name]} were accepted, the read models have ${found}`],
  );
};

/** One kind of work, until the time is over. A failure is a fault, and ends it. */
const repeat = async (until: number, work: (round: number) => Promise<number>): Promise<number> => {
  let done = 0;
  for (let round = 0; Date.now() < until; round++) done += await work(round);
  return done;
};

export const run = async (options: {
  readonly seconds: number;
  readonly say: (line: string) => void;
}): Promise<Outcome> => {
  const { say, seconds } = options;
  await using stage = new Stage();
  await stage.up();
  const recollect = await Recollect.connect({ data: stage.data, client: "soak" });
  writeFileSync(join(stage.folder, "growing.jsonl"), "");
  recollect.tasks.work({ agentTypes: ["soak"], concurrency: 2, run: () => Promise.resolve({ done: true }) });
  const connection = connectionTo(stage);
  const faults: Array<string> = [];
  const samples: Array<Sample> = [];
  const counts: Record<string, number> = {};
  const until = Date.now() + seconds * 1000;
  const sampling = (async () => {
    while (Date.now() < until) {
      samples.push(await sample(stage, connection));
      await new Promise((resolve) => setTimeout(resolve, sampleMillis));
    }
  })();
  await Promise.all(
    Object.entries(works(stage, recollect)).map(async ([name, work]) => {
      counts[name] = await repeat(until, work).catch((cause: unknown) => {
        faults.push(`${name}: ${String(cause)}`);
        return 0;
      });
      say(`${name}: ${counts[name]}`);
    }),
  );
  await sampling;
  await recollect.close();
  await connection.dispose();
  const halves = [samples.slice(0, samples.length >> 1), samples.slice(samples.length >> 1)].map(halfOf);
  const [before, after] = halves as unknown as readonly [Sample, Sample];
  faults.push(
    ...leaksOf("the daemon", before.daemon, after.daemon),
    ...leaksOf("nats-server", before.nats, after.nats),
  );
  if (after.consumers > before.consumers + 2) faults.push(`${after.consumers - before.consumers} consumers more`);
  if (after.walBytes > mostWalBytes) faults.push(`logs of SQLite hold ${(after.walBytes / 1e6).toFixed(0)} MB`);
  const verified = await stage.json<{ readonly ok: boolean }>(["verify"]);
  if (!verified.ok) faults.push("verify finds differences");
  // What was accepted last is folded a moment later.
  const patient = Date.now() + 30_000;
  let absent = await missing(stage, counts);
  while (absent.length > 0 && Date.now() < patient) absent = await missing(stage, counts);
  if (faults.length === 0) faults.push(...absent);
  const { answers = 0, commands = 0, imported = 0, said = 0, tasks = 0, watched = 0 } = counts;
  const folder = stage.folder;
  return { seconds, said, answers, tasks, watched, commands, imported, halves: [before, after], faults, folder };
};
