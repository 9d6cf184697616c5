/**
 * What rows measure on: a real nats-server with the repository's conf (fsync before every ack), our log and snapshots
 * on it, and a bare client beside them on a connection of its own.
 */
import type { JetStreamClient, JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection as Client } from "@nats-io/transport-node";
import { type Context, Effect, FileSystem, Layer } from "effect";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { reading } from "../src/main/Layers.ts";
import * as NatsServer from "../test/support/NatsServer.ts";

/** A client as anybody would use it. */
export interface Bare {
  readonly nc: Client;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
}

/** `noAsyncTraces` as in our own connection: traces of every request cost more than the request. */
export const bareClient = (url: string) =>
  Effect.gen(function* () {
    const nc = yield* Effect.acquireRelease(
      Effect.promise(() => connect({ servers: url, noAsyncTraces: true })),
      (client) => Effect.promise(() => client.close()),
    );
    const jsm = yield* Effect.promise(() => jetstreamManager(nc));
    return { nc, jsm, js: jetstream(nc) } satisfies Bare;
  });

export type Rooms = Layer.Success<ReturnType<typeof reading>>;

export interface World {
  readonly server: NatsServer.NatsServer["Service"];
  /** Log, snapshot store and thread reader on this server. */
  readonly rooms: Context.Context<Rooms>;
  readonly bare: Bare;
}

/** A server of its own for a row, gone with its scope. */
export const world = Effect.fnUntraced(function* (options: NatsServer.Options = {}) {
  const server = yield* NatsServer.make(options);
  const rooms = yield* Layer.build(reading({ servers: server.url, name: "bench" }));
  const bare = yield* bareClient(server.url);
  return { server, rooms, bare } satisfies World;
});

/** A stream like ours in everything but name and subjects, so that only what is measured differs. */
export const streamLikeOurs = Effect.fnUntraced(function* ({ bare }: World, name: string) {
  const { config } = yield* Effect.promise(() => bare.jsm.streams.info("RECOLLECT"));
  const like: StreamConfig = { ...config, name, subjects: [`${name}.>`], description: "" };
  yield* Effect.promise(() => bare.jsm.streams.add(like));
});

export const temporaryFolder = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.makeTempDirectoryScoped({ prefix: "recollect-bench-" });
}).pipe(Effect.provide(NodeServices.layer), Effect.orDie);
