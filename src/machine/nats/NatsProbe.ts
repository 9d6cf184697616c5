/**
 * Asks a nats-server on this machine one question over a connection of its own: does it answer, is JetStream on, is it well.
 *
 * Room: machine.
 *
 * Decision: 60 lines of the text protocol and not the client library, because a server that is just starting is asked
 * every few milliseconds, and the client's connection costs more than the server's whole start.
 */
import { Effect, Option, Schema } from "effect";
import { createConnection, type Socket } from "node:net";
import { connect as upgrade } from "node:tls";
import type { Signer } from "../AccessKeys.ts";

/** The server's description of itself at a connect. */
export const ServerInfo = Schema.Struct({
  server_id: Schema.String,
  server_name: Schema.String,
  version: Schema.String,
  jetstream: Schema.optionalKey(Schema.Boolean),
  max_payload: Schema.Number,
  cluster: Schema.optionalKey(Schema.String),
  nonce: Schema.optionalKey(Schema.String),
  tls_required: Schema.optionalKey(Schema.Boolean),
});
export type ServerInfo = typeof ServerInfo.Type;

const decodeInfo = Schema.decodeUnknownOption(Schema.fromJsonString(ServerInfo));

export interface Where {
  readonly host: string;
  readonly port: number;
  readonly timeoutMillis: number;
  /** Asking user; undefined for a server without users. */
  readonly signer?: Signer | undefined;
}

export interface Answer {
  readonly info: ServerInfo;
  readonly text: string;
}

const connectLine = (info: ServerInfo, signer: Signer | undefined): string => {
  const proof =
    signer === undefined
      ? {}
      : {
          nkey: signer.publicKey,
          sig: Buffer.from(signer.sign(Buffer.from(info.nonce ?? ""))).toString("base64url"),
        };
  return `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, ...proof })}\r\n`;
};

/** The body of the one message that comes, once it is whole. */
const bodyIn = (received: Buffer): string | undefined => {
  const text = received.toString("latin1");
  const found = /(?:^|\r\n)MSG \S+ \S+ +(?:\S+ +)?(\d+)\r\n/.exec(text);
  if (found === null) return undefined;
  const start = found.index + found[0].length;
  const end = start + Number(found[1]);
  return text.length < end + 2 ? undefined : received.toString("utf8", start, end);
};

/** One question, and the first answer within `timeoutMillis`; none without a server, an answer, or admission. */
export const request = (
  options: Where & { readonly subject: string | ((info: ServerInfo) => string); readonly body?: string },
): Effect.Effect<Option.Option<Answer>> =>
  Effect.callback<Option.Option<Answer>>((resume) => {
    const { body = "", subject } = options;
    let received = Buffer.alloc(0);
    let info: ServerInfo | undefined;
    const raw = createConnection({ host: options.host, port: options.port, noDelay: true });
    let socket: Socket = raw;
    const finish = (answer: Option.Option<Answer>) => {
      socket.destroy();
      raw.destroy();
      resume(Effect.succeed(answer));
    };
    const ask = (known: ServerInfo) => {
      socket.write(`${connectLine(known, options.signer)}SUB answer 1\r\n`);
      const to = typeof subject === "string" ? subject : subject(known);
      socket.write(`PUB ${to} answer ${Buffer.byteLength(body)}\r\n${body}\r\n`);
    };
    const hear = (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (info === undefined) {
        const line = /^INFO (.*)\r\n/.exec(received.toString("latin1"))?.[1];
        if (line === undefined) return;
        info = Option.getOrUndefined(decodeInfo(line));
        if (info === undefined) finish(Option.none());
        else if (info.tls_required === true) encrypt(info);
        else ask(info);
        return;
      }
      const text = bodyIn(received);
      if (text !== undefined) finish(Option.some({ info, text }));
    };
    /** Our own child on this machine: who it is shows in what it answers, so its certificate is not looked at. */
    const encrypt = (known: ServerInfo) => {
      raw.removeAllListeners("data");
      socket = upgrade({ socket: raw, rejectUnauthorized: false }, () => ask(known));
      watch(socket);
    };
    const watch = (one: Socket) => {
      one.on("error", () => finish(Option.none()));
      one.on("close", () => finish(Option.none()));
      one.on("data", hear);
    };
    raw.setTimeout(options.timeoutMillis, () => finish(Option.none()));
    watch(raw);
    return Effect.sync(() => {
      socket.destroy();
      raw.destroy();
    });
  });

/** The answer to `$JS.API.INFO` carries this type when JetStream serves this account; an error object otherwise. */
const jetStreamAnswers = (text: string) => text.includes("account_info_response") && !text.includes('"error"');

/**
 * One attempt: the server's own words if it answers and its JetStream answers too, within `timeoutMillis`; otherwise
 * none. A cluster's JetStream answers once it has elected a leader.
 */
export const probe = (options: Where): Effect.Effect<Option.Option<ServerInfo>> =>
  Effect.map(request({ ...options, subject: "$JS.API.INFO" }), (answer) =>
    Option.flatMap(answer, ({ info, text }) => (jetStreamAnswers(text) ? Option.some(info) : Option.none())),
  );
