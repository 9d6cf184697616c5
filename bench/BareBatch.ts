/** The barest atomic batch (ADR-50): id, number, message id; one request to begin and one to commit. */
import { headers, type NatsConnection as Client, nuid } from "@nats-io/transport-node";
import type { NewEvent } from "../src/domain/Event.ts";

export interface Bare {
  readonly subject: string;
  readonly event: NewEvent;
}

export const publishBatch = async (nc: Client, batch: ReadonlyArray<Bare>): Promise<void> => {
  const batchId = nuid.next();
  const asked: Array<Promise<{ readonly data: Uint8Array }>> = [];
  for (const [index, { subject, event }] of batch.entries()) {
    const head = headers();
    head.set("Nats-Msg-Id", event.id);
    head.set("Nats-Batch-Id", batchId);
    head.set("Nats-Batch-Sequence", String(index + 1));
    const isLast = index === batch.length - 1;
    if (isLast) head.set("Nats-Batch-Commit", "1");
    if (index === 0 || isLast) asked.push(nc.request(subject, event.body, { headers: head, timeout: 10_000 }));
    else nc.publish(subject, event.body, { headers: head });
  }
  const answers = await Promise.all(asked);
  const committed: { readonly count?: number } = JSON.parse(Buffer.from(answers.at(-1)?.data ?? []).toString() || "{}");
  if (committed.count !== batch.length) throw new Error(`the bare batch was refused: ${JSON.stringify(committed)}`);
};
