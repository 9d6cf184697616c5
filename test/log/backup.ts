/** Backup and restore of a stream over NATS, as `nats stream backup` does it: for tests of what a restore forgets. */
import { createInbox, type NatsConnection } from "@nats-io/transport-node";

interface Backup {
  readonly config: { readonly name: string };
  readonly state: unknown;
  readonly chunks: ReadonlyArray<Uint8Array>;
}

const ask = async (nc: NatsConnection, subject: string, payload: Uint8Array | string = "") => {
  const answer = await nc.request(subject, payload, { timeout: 10_000 });
  const said = answer.data.length === 0 ? {} : answer.json<Record<string, never>>();
  if (said["error"] !== undefined) throw new Error(JSON.stringify(said["error"]));
  return said;
};

export const snapshotStream = async (nc: NatsConnection, name: string): Promise<Backup> => {
  const inbox = createInbox();
  const chunks: Array<Uint8Array> = [];
  const done = new Promise<void>((resolve, reject) => {
    const subscription = nc.subscribe(inbox, {
      callback: (error, message) => {
        if (error !== null) reject(error);
        else if (message.data.length === 0) {
          subscription.unsubscribe();
          resolve();
        } else {
          chunks.push(message.data.slice());
          message.respond();
        }
      },
    });
  });
  const request = { deliver_subject: inbox, no_consumers: true, jsck: true, chunk_size: 131_072 };
  const { config, state } = await ask(nc, `$JS.API.STREAM.SNAPSHOT.${name}`, JSON.stringify(request));
  await done;
  return { config: config as unknown as Backup["config"], state, chunks };
};

export const restoreStream = async (nc: NatsConnection, { chunks, config, state }: Backup): Promise<void> => {
  const { deliver_subject: target } = await ask(
    nc,
    `$JS.API.STREAM.RESTORE.${config.name}`,
    JSON.stringify({ config, state }),
  );
  for (const chunk of chunks) await ask(nc, String(target), chunk);
  await ask(nc, String(target));
};
