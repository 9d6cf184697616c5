/**
 * A PostgreSQL with its durable defaults, on a free loopback port, gone with its scope.
 *
 * It refuses to run as root, so root runs it as `nobody`, in a folder that belongs to nobody.
 */
import { Effect } from "effect";
import { chmodSync, chownSync, cpSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import postgresClient from "postgres";
import * as FreePort from "../../src/machine/nats/FreePort.ts";
import { temporaryFolder } from "../Servers.ts";
import { type Command, output, start } from "./PeerProcess.ts";
import { environmentOf, find, PeerMissing, type PeerProgram } from "./PeerProgram.ts";

const host = "127.0.0.1";
const user = "bench";
/**
 * Decision: 64 connections, because with 256 writers 32 gave 2,400, 64 gave 2,700 and 96 gave 1,700 inserts/s in the
 * same minute on two cores; the client `postgres`, because it made 10 % more of 64 connections than `pg` did.
 */
export const connections = 64;

type Sql = ReturnType<typeof connectAll>;

export interface Postgres {
  readonly sql: Sql;
  /** For example `15.18`. */
  readonly version: string;
}

const connectAll = (port: number) =>
  postgresClient({ host, port, user, database: "postgres", max: connections, onnotice: () => {} });

/** Rejects while the server is not there. */
const connect = async (port: number): Promise<Sql> => {
  const sql = connectAll(port);
  try {
    await sql`SELECT 1`;
    return sql;
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
};

/** The user id to run as; undefined where we are not root. */
const otherUser = Effect.fnUntraced(function* (folder: string) {
  if (process.getuid?.() !== 0) return undefined;
  return Number(yield* output({ program: "id", args: ["-u", "nobody"], folder }));
});

/** Nobody cannot look into root's cache: what was fetched is copied to where it can. */
const reachable = (program: PeerProgram, folder: string): PeerProgram => {
  if (program.root === undefined) return program;
  const root = join(folder, "program");
  cpSync(program.root, root, { recursive: true, verbatimSymlinks: true });
  return { root, path: join(root, relative(program.root, program.path)) };
};

/** What must hold for a commit to be on disk are PostgreSQL's defaults; they are said all the same. */
const settingsOf = (port: number): Readonly<Record<string, string>> => ({
  listen_addresses: host,
  port: String(port),
  unix_socket_directories: "",
  max_connections: String(connections + 16),
  fsync: "on",
  synchronous_commit: "on",
  shared_buffers: "256MB",
  max_wal_size: "4GB",
});

export const postgres = Effect.gen(function* () {
  const found = yield* find({
    program: "postgres",
    pattern: "usr/lib/postgresql/*/bin/postgres",
    packages: ["postgresql"],
    megabytes: 60,
  });
  const folder = yield* temporaryFolder;
  const uid = yield* otherUser(folder);
  const program = uid === undefined ? found : reachable(found, folder);
  if (uid !== undefined) {
    chownSync(folder, uid, uid);
    chmodSync(folder, 0o700);
  }
  const data = join(folder, "data");
  const bin = dirname(program.path);
  const asUser = (name: string, args: ReadonlyArray<string>): Command => ({
    program: join(bin, name),
    args,
    env: environmentOf(program),
    user: uid,
    folder,
  });
  yield* output(asUser("initdb", ["-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]));
  const said = yield* output(asUser("postgres", ["--version"]));
  const port = yield* FreePort.find(host).pipe(Effect.mapError(({ message }) => new PeerMissing({ message })));
  const settings = Object.entries(settingsOf(port)).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const sql = yield* Effect.acquireRelease(
    start({
      command: asUser("postgres", ["-D", data, ...settings]),
      logFile: join(folder, "postgres.log"),
      connect: () => connect(port),
    }),
    (open) => Effect.promise(() => open.end({ timeout: 5 })),
  );
  return { sql, version: /(\d+(\.\d+)*)/.exec(said)?.[1] ?? "" } satisfies Postgres;
});
