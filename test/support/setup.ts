/** Runs once before all tests: the nats-server program is found, or fetched, here and not in two test files at once. */
import { NodeServices } from "@effect/platform-node";
import { Effect } from "effect";
import * as NatsBinary from "../../src/machine/NatsBinary.ts";

export default async function setup() {
  const binary = await Effect.runPromise(NatsBinary.make.pipe(Effect.provide(NodeServices.layer)));
  process.env["RECOLLECT_NATS_SERVER"] = binary.path;
}
