/**
 * Asks a nats-server on this machine whether it really answers: the port, the protocol, and JetStream.
 *
 * Room: machine.
 *
 * Decision: 40 lines of the text protocol and not the client library, because a server that is just starting is asked
 * every few milliseconds, and the client's connection costs more than the server's whole start.
 */
import { Effect, Option, Schema } from "effect";
import { createConnection } from "node:net";

/** What a server says about itself when one connects. */
export const ServerInfo = Schema.Struct({
  server_id: Schema.String,
  server_name: Schema.String,
  version: Schema.String,
  jetstream: Schema.optionalKey(Schema.Boolean),
  max_payload: Schema.Number,
  cluster: Schema.optionalKey(Schema.String),
});
export type ServerInfo = typeof ServerInfo.Type;

const decodeInfo = Schema.decodeUnknownOption(Schema.fromJsonString(ServerInfo));

/** The answer to `$JS.API.INFO` carries this type when JetStream serves this account; an error object otherwise. */
const jetStreamAnswers = (text: string) => text.includes("account_info_response") && !text.includes('"error"');

/**
 * One attempt: the server's own words if it answers and its JetStream answers too, within `timeoutMillis`; otherwise
 * none. A cluster's JetStream answers once it has elected a leader.
 */
export const probe = (options: {
  readonly host: string;
  readonly port: number;
  readonly timeoutMillis: number;
}): Effect.Effect<Option.Option<ServerInfo>> =>
  Effect.callback<Option.Option<ServerInfo>>((resume) => {
    let received = "";
    let asked = false;
    const socket = createConnection({ host: options.host, port: options.port, noDelay: true });
    const finish = (answer: Option.Option<ServerInfo>) => {
      socket.destroy();
      resume(Effect.succeed(answer));
    };
    socket.setTimeout(options.timeoutMillis, () => finish(Option.none()));
    socket.on("error", () => finish(Option.none()));
    socket.on("close", () => finish(Option.none()));
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      if (!asked && received.includes("\r\n")) {
        asked = true;
        socket.write('CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB $JS.API.INFO answer 0\r\n\r\n');
      }
      const info = /^INFO (.*)\r\n/.exec(received)?.[1];
      if (info !== undefined && jetStreamAnswers(received)) finish(decodeInfo(info));
    });
    return Effect.sync(() => socket.destroy());
  });
