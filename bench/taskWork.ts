/**
 * Submits tasks and works on them in a process of its own: through our public door or through BullMQ, told as JSON.
 *
 * It says `ready` when it has run its first tasks and its worker waits, begins when it is told to, says how many have run,
 * and answers the last word with the processor time that it took. A task that does nothing costs what the queue costs.
 */
import { Queue, Worker } from "bullmq";
import type * as Door from "../src/index.ts";

export interface Told {
  readonly name: string;
  readonly tasks: number;
  /** Tasks before the beginning, in the same way, which are not counted: code that runs for the first time. */
  readonly warm: number;
  /** Tasks at once, and as many submissions. */
  readonly places: number;
  readonly message: string;
  /** Submits the next task when the last one runs: how long a worker that waits lets a task wait. */
  readonly oneByOne?: boolean;
  readonly ours?: { readonly door: string; readonly url: string; readonly data: string };
  readonly bull?: { readonly host: string; readonly port: number };
}

export type Said =
  | { readonly ready: true }
  | { readonly ended: number }
  /** Milliseconds: processor time since the beginning, and one by one from each call of submit to its run. */
  | { readonly cpuMillis: number; readonly waits: ReadonlyArray<number> };

interface Side {
  readonly submit: () => Promise<unknown>;
  readonly close: () => Promise<unknown>;
}

const told: Told = JSON.parse(process.argv[2] ?? "{}");
const say = (said: Said) => process.send?.(said);
let ended = 0;
let onRun = () => {};
const run = async () => {
  ended++;
  onRun();
  return { done: true };
};

const ourSide = async ({ data, door, url }: NonNullable<Told["ours"]>, name: string): Promise<Side> => {
  const { Recollect }: typeof Door = await import(door);
  const recollect = await Recollect.connect({ url, data });
  await recollect.connected();
  const { message, places } = told;
  recollect.tasks.work({ agentTypes: [name], concurrency: places, run });
  return {
    submit: () => recollect.tasks.submit({ agentType: name, message }),
    close: () => recollect.close(),
  };
};

const bullSide = async (place: NonNullable<Told["bull"]>, name: string): Promise<Side> => {
  const { message, places } = told;
  const connection = { ...place, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection });
  const worker = new Worker(name, run, { connection, concurrency: places });
  await worker.waitUntilReady();
  return {
    submit: () => queue.add("task", { message }),
    close: async () => {
      await worker.close();
      await queue.close();
    },
  };
};

const sideOf = ({ bull, ours }: Told, name: string): Promise<Side> => {
  if (ours !== undefined) return ourSide(ours, name);
  if (bull === undefined) throw new Error("neither of the two");
  return bullSide(bull, name);
};

const manyAtOnce = async (side: Side, tasks: number) => {
  let submitted = 0;
  const submitter = async () => {
    while (submitted++ < tasks) await side.submit();
  };
  await Promise.all(Array.from({ length: told.places }, submitter));
};

/** Both sides alike, and for each process tasks of its own, on a connection of their own. */
const warmUp = async () => {
  if (told.warm === 0) return;
  const side = await sideOf(told, `${told.name}-warm-${process.pid}`);
  const last = Promise.withResolvers<void>();
  onRun = () => {
    if (ended === told.warm) last.resolve();
  };
  await Promise.all([manyAtOnce(side, told.warm), last.promise]);
  await side.close();
  ended = 0;
};

await warmUp();
const side = await sideOf(told, told.name);

const oneByOne = async () => {
  const waits: Array<number> = [];
  for (let at = 0; at < told.tasks; at++) {
    const began = performance.now();
    const running = Promise.withResolvers<void>();
    onRun = running.resolve;
    await side.submit();
    await running.promise;
    waits.push(performance.now() - began);
  }
  return waits;
};

const begin = async () => {
  const before = process.cpuUsage();
  const lastWord = new Promise((resolve) => process.once("message", resolve));
  const telling = setInterval(() => say({ ended }), 20);
  const waits = told.oneByOne === true ? await oneByOne() : await manyAtOnce(side, told.tasks);
  await lastWord;
  clearInterval(telling);
  const { system, user } = process.cpuUsage(before);
  say({ cpuMillis: (system + user) / 1_000, waits: waits ?? [] });
  await side.close();
  process.disconnect?.();
};
process.once("message", () => void begin());
say({ ready: true });
