/** Logs on real servers, for the tests of this room. */
import { headers as newHeaders } from "@nats-io/transport-node";
import { Effect, Layer, References } from "effect";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { ByHand } from "../contract/EventLogContract.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** Publishes without our help, as any language could. */
export const byHand = Layer.effect(
  ByHand,
  Effect.map(NatsConnection.NatsConnection, ({ js }) =>
    ByHand.of({
      publish: ({ body, headers: record, subject }) =>
        Effect.promise(async () => {
          const headers = newHeaders();
          for (const [name, value] of Object.entries(record)) headers.set(name, value);
          const ack = await js.publish(subject, body, { headers });
          return ack.seq;
        }),
    }),
  ),
);

/** What is told when servers come and go is no news in a test that makes them do so. */
export const quiet = Layer.succeed(References.MinimumLogLevel, "None");

/** A log and the connection it uses, to a server that runs. */
export const logAt = (servers: string | ReadonlyArray<string>, options: EventLogNats.Options = {}) =>
  EventLogNats.layer(options).pipe(Layer.provideMerge(NatsConnection.layer({ servers })), Layer.provide(quiet));

/** A log on a server of its own. */
export const logOnServer = (server: NatsServer.Options = {}, options: EventLogNats.Options = {}) =>
  Layer.unwrap(Effect.map(NatsServer.NatsServer, ({ servers }) => logAt(servers, options))).pipe(
    Layer.provideMerge(NatsServer.layer(server)),
  );
