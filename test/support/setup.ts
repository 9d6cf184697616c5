/**
 * Runs once before all tests, and not in two test files at once: the nats-server program is found, or fetched, and the
 * command line and what programs import as `recollect` are built, so that a test that starts it starts what users start,
 * and in a third of the time. Programs that tests start find compiled code where they found it the last time.
 *
 * The usual ports are held for as long as tests run: each store then has ports of its own, and none that a test kills and
 * starts again finds them taken by the store of another test.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect } from "effect";
import { createServer, type Server } from "node:net";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import * as NatsBinary from "../../src/machine/nats/NatsBinary.ts";
import { root } from "./flow.ts";
import * as Programs from "./programs.ts";

interface Built {
  readonly builtProgram: (name: string) => string | undefined;
}

const usualPorts = [4222, 4280];

/** Listens on a port of this machine; undefined where another program does. */
const hold = (port: number) =>
  new Promise<Server | undefined>((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });

export default async function setup() {
  const binary = await Effect.runPromise(NatsBinary.make.pipe(Effect.provide(NodeServices.layer)));
  process.env["RECOLLECT_NATS_SERVER"] = binary.path;
  process.env["NODE_COMPILE_CACHE"] ??= join(root, "node_modules/.cache/compiled");
  const { builtProgram }: Built = await import(pathToFileURL(join(root, "bin/built.mjs")).href);
  const program = builtProgram("main");
  if (program === undefined) process.stderr.write("The command line cannot be built: tests run its sources.\n");
  else process.env["RECOLLECT_TEST_PROGRAM"] = program;
  const remove = await Programs.build();
  const held = await Promise.all(usualPorts.map(hold));
  return () => {
    remove();
    for (const server of held) server?.close();
  };
}
