/** A daemon with the nats-server that it runs, on a folder of its own. */
import { Effect } from "effect";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { program } from "./Program.ts";
import { temporaryFolder } from "./Servers.ts";

export const daemonOfItsOwn = Effect.gen(function* () {
  const folder = yield* temporaryFolder;
  const data = join(folder, "data");
  const start = program(["up", "--json", "--data", data]);
  // The first start of a version compiles, and makes the store.
  yield* Effect.scoped(start);
  const daemon = yield* start;
  const server = Number(readFileSync(join(data, "nats", "nats-server.pid"), "utf8"));
  return { data, daemon, server };
});
