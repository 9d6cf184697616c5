/**
 * Tasks on a Redis stream, as somebody would build them who has Redis: a task is an entry of the stream, a consumer group
 * hands it out, and what is claimed is pending until it is acknowledged together with its result.
 */
import type { RedisClient } from "./Redis.ts";

const group = "workers";

/** Workers that wait need a connection each: a blocking read holds it up. */
const waitMillis = 1_000;

export const makeQueue = (client: RedisClient, stream: string) =>
  client.xGroupCreate(stream, group, "0", { MKSTREAM: true });

/** Submitting also records how the task stands, because a result must be found by its id. */
export const submit = (client: RedisClient, stream: string, task: { readonly id: string; readonly message: string }) =>
  client.multi().hSet(`task:${task.id}`, { status: "pending", message: task.message }).xAdd(stream, "*", task).exec();

interface Taken {
  /** The stream's own name of the entry. */
  readonly entry: string;
  readonly id: string;
}

/** The next task, claimed; undefined when none came for a while. */
export const claim = async (client: RedisClient, stream: string, worker: string): Promise<Taken | undefined> => {
  const found = (await client.xReadGroup(
    group,
    worker,
    { key: stream, id: ">" },
    { COUNT: 1, BLOCK: waitMillis },
  )) as ReadonlyArray<{
    readonly messages: ReadonlyArray<{ readonly id: string; readonly message: Record<string, string> }>;
  }> | null;
  const [taken] = found?.[0]?.messages ?? [];
  if (taken === undefined) return undefined;
  return { entry: taken.id, id: taken.message["id"] ?? "" };
};

/** It runs: everybody may see it, as with us. */
export const begin = (client: RedisClient, { id }: Taken) => client.hSet(`task:${id}`, { status: "running" });

export const complete = (client: RedisClient, stream: string, { entry, id }: Taken) =>
  client.multi().hSet(`task:${id}`, { status: "completed", output: '{"done":true}' }).xAck(stream, group, entry).exec();

export interface Work {
  /** Submits and settles; commands of one turn leave together. */
  readonly client: RedisClient;
  /** A connection for each worker. */
  readonly readers: ReadonlyArray<RedisClient>;
  readonly stream: string;
}

/** Takes so many tasks from submission to their ends. */
export const run = async (
  { client, readers, stream }: Work,
  load: { readonly tasks: number; readonly submitters: number; readonly message: string },
): Promise<void> => {
  let submitted = 0;
  let completed = 0;
  const submitter = async () => {
    while (submitted < load.tasks)
      await submit(client, stream, { id: `${stream}-${submitted++}`, message: load.message });
  };
  const worker = async (reader: RedisClient, index: number) => {
    while (completed < load.tasks) {
      const taken = await claim(reader, stream, `w${index}`);
      if (taken === undefined) continue;
      await begin(client, taken);
      await complete(client, stream, taken);
      completed++;
    }
  };
  const working = Promise.all(readers.map(worker));
  await Promise.all(Array.from({ length: load.submitters }, submitter));
  while (completed < load.tasks) await new Promise((resolve) => setTimeout(resolve, 2));
  // Those that still wait see that all is done when their read ends.
  void working.catch(() => undefined);
};
