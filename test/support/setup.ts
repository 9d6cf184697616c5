/**
 * Runs once before all tests: the nats-server program is found, or fetched, here and not in two test files at once; and
 * what programs import as `recollect` is built, as `npm run build` does, for the examples that tests run.
 */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { NodeServices } from "@effect/platform-node";
import { Effect } from "effect";
import * as NatsBinary from "../../src/machine/NatsBinary.ts";

export default async function setup() {
  const binary = await Effect.runPromise(NatsBinary.make.pipe(Effect.provide(NodeServices.layer)));
  process.env["RECOLLECT_NATS_SERVER"] = binary.path;
  const built = resolve(import.meta.dirname, "../../bin/built.mjs");
  execFileSync(process.execPath, [
    "--input-type=module",
    "-e",
    `import { build } from ${JSON.stringify(built)}; build();`,
  ]);
}
