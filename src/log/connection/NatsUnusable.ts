/**
 * Reasons for an unusable nats-server, each as one sentence and what to do about it.
 *
 * Room: log.
 */
import { Schema } from "effect";
import type { LogCondition } from "./LogCondition.ts";

/**
 * - `refused`: no server listens there, the name is unknown, or no answer came in time
 * - `credentials`: the server does not take these credentials, or they cannot be read
 * - `tooOld`: the server lacks atomic batches with deduplication
 * - `noJetStream`: JetStream is off, for the server or for this account
 * - `stream`: the stream that is there cannot be used
 * - `stranger`: the server has another stream than the one that is meant
 * - `role`: this user is a tenant's publisher or reader, and the process folds the whole stream
 */
export const Reason = Schema.Literals([
  "refused",
  "credentials",
  "tooOld",
  "noJetStream",
  "stream",
  "stranger",
  "role",
]);
export type Reason = typeof Reason.Type;

/** The server, or the stream on it, cannot be used. Trying again without changing something is useless. */
export class NatsUnusable extends Schema.TaggedError<NatsUnusable>()("NatsUnusable", {
  reason: Reason,
  message: Schema.String,
  hint: Schema.String,
}) {}

export const refused = (url: string, why: string) =>
  new NatsUnusable({
    reason: "refused",
    message: `No nats-server answers at ${url}: ${why}.`,
    hint: "Start it, or give the right address with --nats-url or RECOLLECT_NATS_URL.",
  });

export const wrongCredentials = (url: string) =>
  new NatsUnusable({
    reason: "credentials",
    message: `The nats-server at ${url} does not accept these credentials.`,
    hint: "Give a user and password, a token, an nkey seed or a credentials file that this server knows.",
  });

export const unreadableCredentials = (path: string, why: string) =>
  new NatsUnusable({
    reason: "credentials",
    message: `The credentials file ${path} cannot be used: ${why}.`,
    hint: "It is the .creds file that recollect access add (or nsc) wrote, readable by the user who runs this.",
  });

export const tooOld = (url: string, version: string, minimum: string) =>
  new NatsUnusable({
    reason: "tooOld",
    message: `The nats-server at ${url} is ${version}; atomic appends need ${minimum} or newer.`,
    hint: "Upgrade the server, or leave the address out: this program then runs a server of its own.",
  });

export const noJetStream = (url: string, why: string) =>
  new NatsUnusable({
    reason: "noJetStream",
    message: `The nats-server at ${url} has no JetStream to offer: ${why}.`,
    hint: "Start it with the repository's nats-server.conf or with -js; in a setup with accounts, enable jetstream for this one.",
  });

export const tenantOnly = (url: string) =>
  new NatsUnusable({
    reason: "role",
    message: `This user of ${url} is a publisher or reader of one tenant, and the command line works with the whole store.`,
    hint: "Use the library or HTTP with these credentials, or the command line with those of a worker or operator, which are made where the server runs.",
  });

export const unusableStream = (message: string, hint: string) => new NatsUnusable({ reason: "stream", message, hint });

export const refusedStream = ({ hint, message, name }: LogCondition) =>
  new NatsUnusable({ reason: name === "strangeStream" ? "stranger" : "stream", message, hint });

/** The same words for a connection that is there no longer: the server takes the credentials no more. */
export const credentialsRefused = (url: string): LogCondition => {
  const { hint, message } = wrongCredentials(url);
  return { name: "credentials", message, hint, denied: "connect", refusesAppends: true };
};
