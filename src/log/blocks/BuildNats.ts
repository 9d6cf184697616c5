/**
 * A stream built in a folder of its own: made empty by a nats-server, filled as files, and read back through a server.
 *
 * Room: log.
 *
 * Promises: what `build` returns was read back through nats-server event by event, with sequence, time, subject, headers
 * and body as they were given, is counted, and is on disk; no other store is touched.
 *
 * The servers listen on loopback and free ports, each for its step alone.
 */
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { Effect, FileSystem, Layer, Schema } from "effect";
import { createHash } from "node:crypto";
import { fileOf } from "../../machine/KeyFiles.ts";
import * as NatsBinary from "../../machine/nats/NatsBinary.ts";
import * as NatsProcess from "../../machine/nats/NatsProcess.ts";
import * as ServerConf from "../access/ServerConf.ts";
import * as NatsConnection from "../connection/NatsConnectionNats.ts";
import { Credentials } from "../connection/NatsCredentialsNats.ts";
import { type ApiError, ask } from "../connection/RequestNats.ts";
import { configOf } from "../connection/StreamConfigNats.ts";
import * as StreamNats from "../connection/StreamNats.ts";
import type { StoredMessage } from "../Envelope.ts";
import * as DirectGet from "../read/DirectGetNats.ts";
import { type BlockRecord, storedOf } from "./BlockFile.ts";
import * as StreamFiles from "./StreamFiles.ts";

/** The new stream is not what it must be. The old one is untouched. */
export class BuildFailed extends Schema.TaggedError<BuildFailed>()("BuildFailed", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const failed = (message: string) =>
  new BuildFailed({
    message,
    hint: "Nothing was changed. Try again; if it stays so, this is a defect in recollect or in this nats-server.",
  });

/** Patience for a server on this machine, milliseconds. */
const patienceMillis = 15_000;
const answerMillis = 30_000;

/** A running sum over everything that is stored, in order: equal sums, equal streams. */
const summing = () => {
  const hash = createHash("sha256");
  let messages = 0;
  return {
    add: ({ body, headers, recordedAt, sequence, subject }: StoredMessage): void => {
      let text = `${sequence} ${recordedAt} ${subject} ${body.length}\n`;
      for (const name in headers) text += `${name}: ${headers[name]}\n`;
      hash.update(text);
      hash.update(body);
      messages += 1;
    },
    end: (): string => `${messages} ${hash.digest("hex")}`,
  };
};

/**
 * A connection to a server on `storeFolder`, for as long as the scope lives; no other client gets in, because its keys are
 * those of the folder `root`, made when they are missing.
 */
export const serverOn = Effect.fn("log.serverOn")(function* (options: {
  readonly root: string;
  readonly storeFolder: string;
}) {
  const { root, storeFolder } = options;
  const { configFile, ...access } = yield* ServerConf.prepare(root, { isStart: true });
  const server = yield* NatsProcess.make({ storeFolder, logFile: `${storeFolder}/build.log`, configFile, access });
  const credentials = Credentials.NKeyFile({ path: fileOf(root, "daemon") });
  const context = yield* Layer.build(NatsConnection.layer({ servers: server.url, name: "recollect", credentials }));
  return yield* NatsConnection.NatsConnection.pipe(Effect.provide(context));
});

const request = Effect.fnUntraced(function* <A>(
  connection: NatsConnection.NatsConnection["Service"],
  subject: string,
  body?: unknown,
) {
  const answer = yield* Effect.promise(() =>
    ask(connection.nc, connection.link, {
      subject: `$JS.API.${subject}`,
      payload: body === undefined ? undefined : JSON.stringify(body),
      timeoutMillis: answerMillis,
    }),
  );
  if (answer._tag === "NoAnswer") return yield* failed(`The new server does not answer: ${answer.reason}.`);
  const said: A & { readonly error?: ApiError } = answer.message.json();
  if (said.error !== undefined) return yield* failed(`The new server refuses: ${said.error.description}.`);
  return said;
});

/** Makes the empty stream and ends the server again. */
const makeEmpty = Effect.fn("log.makeEmptyStream")(function* (
  root: string,
  config: Partial<StreamConfig> & { readonly name: string },
) {
  const connection = yield* serverOn({ root, storeFolder: root });
  yield* request<StreamInfo>(connection, `STREAM.CREATE.${config.name}`, config);
}, Effect.scoped);

const batchMessages = 500;

/** Everything that the server has, in order. */
const readBack = Effect.fn("log.readBack")(function* (
  root: string,
  stream: string,
  onProgress: (sequence: number) => Effect.Effect<void>,
) {
  const connection = yield* serverOn({ root, storeFolder: root });
  const { nc, link } = connection;
  const { state } = yield* request<StreamInfo>(connection, `STREAM.INFO.${stream}`);
  const get = DirectGet.make({ nc, link, patienceMillis });
  const sum = summing();
  for (let next = 1; next <= state.last_seq;) {
    const messages = yield* get.batch(stream, { seq: next, next_by_subj: ">" }, batchMessages);
    const last = messages.at(-1);
    if (last === undefined) break;
    for (const message of messages) sum.add(message);
    next = last.sequence + 1;
    yield* onProgress(last.sequence);
  }
  return { sum: sum.end(), messages: state.messages, last: state.last_seq };
}, Effect.scoped);

export interface Progress {
  readonly step: "writing" | "reading back";
  readonly sequence: number;
}

/** Records that are written before others may run: a few milliseconds. */
const between = 500;

/**
 * Builds `stream` in the empty folder `root` from `records`, which ascend from 1 without a hole. Answers the folder of
 * the stream in it.
 */
export const build = Effect.fn("log.buildStream")(function* (options: {
  readonly root: string;
  readonly stream: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly records: Iterable<BlockRecord>;
  readonly onProgress: (progress: Progress) => Effect.Effect<void>;
}) {
  const { onProgress, records, root, stream } = options;
  const fs = yield* FileSystem.FileSystem;
  yield* fs.makeDirectory(root, { recursive: true, mode: 0o700 });
  const config = configOf({
    name: stream,
    replicas: 1,
    duplicateWindowMillis: StreamNats.defaultDuplicateWindowMillis,
  });
  const servers = Effect.provide(NatsBinary.layer);
  yield* makeEmpty(root, { ...config, metadata: options.metadata }).pipe(servers);
  const folder = StreamFiles.find(root, stream);
  if (folder === undefined) return yield* failed("The new server made no stream.");
  const expected = summing();
  const writer = StreamFiles.writer(folder);
  let last = 0;
  for (const record of records) {
    if (record.sequence !== last + 1) return yield* failed(`Sequence ${last + 1} is missing in what is to be written.`);
    last = record.sequence;
    writer.write(record);
    expected.add(storedOf(record));
    if (last % between === 0) {
      yield* onProgress({ step: "writing", sequence: last });
      yield* Effect.yieldNow;
    }
  }
  writer.finish();
  const found = yield* readBack(root, stream, (sequence) => onProgress({ step: "reading back", sequence })).pipe(
    servers,
  );
  if (found.last !== last || found.messages !== last || found.sum !== expected.end()) {
    return yield* failed(
      `The new stream holds ${found.messages} events up to ${found.last} where ${last} were written, or others than these.`,
    );
  }
  StreamFiles.syncTree(folder.path);
  return folder;
});
