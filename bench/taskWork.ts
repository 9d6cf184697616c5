/**
 * Submits tasks and works on them in a process of its own: through our public door or through BullMQ, told as JSON.
 *
 * It says `ready` when its worker waits, begins when it is told to, says how many have run, and answers the last word with
 * the processor time that it took. A task that does nothing costs what the queue costs.
 */
import { Queue, Worker } from "bullmq";
import type * as Door from "../src/index.ts";

export interface Told {
  readonly name: string;
  readonly tasks: number;
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
let nextRun = Promise.withResolvers<void>();
const run = async () => {
  ended++;
  nextRun.resolve();
  return { done: true };
};

const ourSide = async ({ data, door, url }: NonNullable<Told["ours"]>): Promise<Side> => {
  const { Recollect }: typeof Door = await import(door);
  const recollect = await Recollect.connect({ url, data });
  await recollect.connected();
  const { message, name, places } = told;
  recollect.tasks.work({ agentTypes: [name], concurrency: places, run });
  return {
    submit: () => recollect.tasks.submit({ agentType: name, message }),
    close: () => recollect.close(),
  };
};

const bullSide = async (place: NonNullable<Told["bull"]>): Promise<Side> => {
  const { message, name, places } = told;
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

const sideOf = ({ bull, ours }: Told): Promise<Side> => {
  if (ours !== undefined) return ourSide(ours);
  if (bull === undefined) throw new Error("neither of the two");
  return bullSide(bull);
};

const side = await sideOf(told);

const manyAtOnce = async () => {
  let submitted = 0;
  const submitter = async () => {
    while (submitted++ < told.tasks) await side.submit();
  };
  await Promise.all(Array.from({ length: told.places }, submitter));
};

const oneByOne = async () => {
  const waits: Array<number> = [];
  for (let at = 0; at < told.tasks; at++) {
    const began = performance.now();
    nextRun = Promise.withResolvers();
    const running = nextRun.promise;
    await side.submit();
    await running;
    waits.push(performance.now() - began);
  }
  return waits;
};

const begin = async () => {
  const before = process.cpuUsage();
  const lastWord = new Promise((resolve) => process.once("message", resolve));
  const telling = setInterval(() => say({ ended }), 20);
  const waits = told.oneByOne === true ? await oneByOne() : await manyAtOnce();
  await lastWord;
  clearInterval(telling);
  const { system, user } = process.cpuUsage(before);
  say({ cpuMillis: (system + user) / 1_000, waits: waits ?? [] });
  await side.close();
  process.disconnect?.();
};
process.once("message", () => void begin());
say({ ready: true });
