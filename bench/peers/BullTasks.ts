/** Tasks through BullMQ, the queue on Redis that is usual in Node: jobs that are added, worked on and kept with their result. */
import { Queue, Worker } from "bullmq";

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Takes so many tasks from their being added to their ends, with one worker of that concurrency. */
export const run = async (
  place: Place,
  name: string,
  load: { readonly tasks: number; readonly submitters: number; readonly workers: number; readonly message: string },
): Promise<void> => {
  const connection = { ...place, maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection });
  let completed = 0;
  const allCompleted = Promise.withResolvers<void>();
  const worker = new Worker(name, async () => ({ done: true }), { connection, concurrency: load.workers });
  worker.on("completed", () => {
    if (++completed === load.tasks) allCompleted.resolve();
  });
  let submitted = 0;
  const submitter = async () => {
    while (submitted++ < load.tasks) await queue.add("task", { message: load.message });
  };
  try {
    await worker.waitUntilReady();
    await Promise.all(Array.from({ length: load.submitters }, submitter));
    await allCompleted.promise;
  } finally {
    await worker.close();
    await queue.close();
  }
};
