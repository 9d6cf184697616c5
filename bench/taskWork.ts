/**
 * Submits tasks and works on them in a process of its own: through our public door or through BullMQ, told as JSON.
 *
 * It says `ready` when its worker waits, begins when it is told to, says how many have ended, and answers the last word
 * with the processor time that it took. A task that does nothing costs what the queue costs.
 */
import { Queue, Worker } from "bullmq";
import type * as Door from "../src/index.ts";

export interface Told {
  readonly name: string;
  readonly tasks: number;
  /** Tasks at once, and as many submissions. */
  readonly places: number;
  readonly message: string;
  readonly ours?: { readonly door: string; readonly url: string; readonly data: string };
  readonly bull?: { readonly host: string; readonly port: number };
}

export type Said =
  | { readonly ready: true }
  | { readonly ended: number }
  /** Milliseconds: processor time since the beginning, and from each call of submit to its run. */
  | { readonly cpuMillis: number; readonly waits: ReadonlyArray<number> };

interface Side {
  readonly submit: (began: number) => Promise<unknown>;
  readonly close: () => Promise<unknown>;
}

const told: Told = JSON.parse(process.argv[2] ?? "{}");
const say = (said: Said) => process.send?.(said);
const waits: Array<number> = [];
let ended = 0;
const end = (began: number) => {
  waits.push(Date.now() - began);
  ended++;
};

const ourSide = async ({ data, door, url }: NonNullable<Told["ours"]>): Promise<Side> => {
  const { Recollect }: typeof Door = await import(door);
  const recollect = await Recollect.connect({ url, data });
  await recollect.connected();
  const { message, name, places } = told;
  recollect.tasks.work({
    agentTypes: [name],
    concurrency: places,
    run: async ({ request }) => {
      end(Number(request.message?.slice(0, 13)));
      return { done: true };
    },
  });
  return {
    submit: (began) => recollect.tasks.submit({ agentType: name, message: `${began}${message}` }),
    close: () => recollect.close(),
  };
};

const bullSide = async (place: NonNullable<Told["bull"]>): Promise<Side> => {
  const { message, name, places } = told;
  const connection = { ...place, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection });
  const run = async ({ data }: { readonly data: { readonly message: string } }) => {
    end(Number(data.message.slice(0, 13)));
    return { done: true };
  };
  const worker = new Worker(name, run, { connection, concurrency: places });
  await worker.waitUntilReady();
  return {
    submit: (began) => queue.add("task", { message: `${began}${message}` }),
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
let before = process.cpuUsage();
const run = async () => {
  before = process.cpuUsage();
  let submitted = 0;
  const submitter = async () => {
    while (submitted++ < told.tasks) await side.submit(Date.now());
  };
  const telling = setInterval(() => say({ ended }), 5);
  await Promise.all(Array.from({ length: told.places }, submitter));
  await new Promise((resolve) => process.once("message", resolve));
  clearInterval(telling);
  const { system, user } = process.cpuUsage(before);
  say({ cpuMillis: (system + user) / 1_000, waits });
  await side.close();
  process.disconnect?.();
};
process.once("message", () => void run());
say({ ready: true });
