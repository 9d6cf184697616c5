/** A Redis that fsyncs every command before it answers, on a free loopback port, gone with its scope. */
import { createClient } from "@redis/client";
import { Effect } from "effect";
import { join } from "node:path";
import * as FreePort from "../../src/machine/nats/FreePort.ts";
import { temporaryFolder } from "../Servers.ts";
import { output, start } from "./PeerProcess.ts";
import { environmentOf, find, PeerMissing } from "./PeerProgram.ts";

const host = "127.0.0.1";

/** A client as anybody would use it: commands of one turn of the event loop leave in one write. */
const connect = async (port: number) => {
  const client = createClient({ socket: { host, port, reconnectStrategy: false } });
  // Without a listener an error would end the process; commands fail with it all the same.
  client.on("error", () => {});
  await client.connect();
  return client;
};

export type RedisClient = Awaited<ReturnType<typeof connect>>;

export interface Redis {
  readonly client: RedisClient;
  /** For example `7.0.15`. */
  readonly version: string;
  /** For clients of another kind. */
  readonly place: { readonly host: string; readonly port: number };
}

/** `appendfsync always`, no snapshots of its own and no rewriting of its log: nothing disturbs what is measured. */
const settingsOf = (port: number): Readonly<Record<string, string>> => ({
  bind: host,
  port: String(port),
  appendonly: "yes",
  appendfsync: "always",
  save: "",
  "auto-aof-rewrite-percentage": "0",
  daemonize: "no",
});

export const redis = Effect.gen(function* () {
  const program = yield* find({
    program: "redis-server",
    pattern: "usr/bin/redis-server",
    packages: ["redis-server"],
    megabytes: 2,
  });
  const folder = yield* temporaryFolder;
  const env = environmentOf(program);
  const said = yield* output({ program: program.path, args: ["--version"], env, folder });
  const port = yield* FreePort.find(host).pipe(Effect.mapError(({ message }) => new PeerMissing({ message })));
  const args = Object.entries(settingsOf(port)).flatMap(([name, value]) => [`--${name}`, value]);
  const client = yield* Effect.acquireRelease(
    start({
      command: { program: program.path, args, env, folder },
      logFile: join(folder, "redis.log"),
      connect: () => connect(port),
    }),
    (open) => Effect.sync(() => open.destroy()),
  );
  return { client, version: /v=(\S+)/.exec(said)?.[1] ?? "", place: { host, port } } satisfies Redis;
});
