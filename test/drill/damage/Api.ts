/** The server's own API with every right, as somebody who holds the daemon's key has it. */
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect, headers, nkeyAuthenticator } from "@nats-io/transport-node";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pause } from "./Command.ts";

/** Sends a request as JSON to `$JS.API.…`; the server's refusal is an error. */
export interface Jsm {
  readonly streams: JetStreamManager["streams"];
  readonly request: (subject: string, body: unknown) => Promise<unknown>;
  readonly publish: (subject: string, body: string, headers?: Readonly<Record<string, string>>) => Promise<unknown>;
}

interface Refused {
  readonly error?: { readonly description: string };
}

/** A busy machine answers later than the server waits for a client's name: it is dialled again. */
const attempts = 20;
const pauseMillis = 500;

const connected = async (data: string, servers: string) => {
  const seed = new TextEncoder().encode(readFileSync(join(data, "keys", "daemon.nk"), "utf8").trim());
  for (let attempt = 1; ; attempt++) {
    try {
      return await connect({ servers, authenticator: nkeyAuthenticator(seed), timeout: 20_000, reconnect: false });
    } catch (error) {
      if (attempt >= attempts) throw error;
      await pause(pauseMillis);
    }
  }
};

export const withApi = async <A>(data: string, url: string, use: (jsm: Jsm) => Promise<A>): Promise<A> => {
  const nc = await connected(data, url);
  try {
    const { streams } = await jetstreamManager(nc, { checkAPI: false });
    const request = async (subject: string, body: unknown) => {
      const reply = (await nc.request(`$JS.API.${subject}`, JSON.stringify(body), { timeout: 60_000 })).json<Refused>();
      if (reply.error !== undefined) throw new Error(reply.error.description);
      return reply;
    };
    const publish: Jsm["publish"] = async (subject, body, told = {}) => {
      const header = headers();
      for (const [name, value] of Object.entries(told)) header.set(name, value);
      const reply = (await nc.request(subject, body, { timeout: 60_000, headers: header })).json<Refused>();
      if (reply.error !== undefined) throw new Error(reply.error.description);
      return reply;
    };
    return await use({ streams, request, publish });
  } finally {
    await nc.close();
  }
};
