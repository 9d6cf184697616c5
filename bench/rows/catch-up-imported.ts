/** The projector catching up on imported transcripts, whose entries are interpreted as they are folded. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect } from "effect";
import { importPaths } from "../../src/edge/import/Importer.ts";
import { compare } from "../CatchUp.ts";
import type { Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { absent, copiesOf, dataFolder } from "../Transcripts.ts";

/** About 25 MB. */
const copies = 2;

const run = Effect.gen(function* () {
  const folder = dataFolder("claude-code-entire");
  if (folder === undefined) return absent;
  const here = yield* world();
  const target = yield* temporaryFolder;
  copiesOf({ folder, target, copies });
  yield* importPaths({ paths: [target] }).pipe(Effect.provide(here.rooms), Effect.provide(NodeServices.layer));
  return yield* compare(here, `claude-code-entire ${copies} times`);
}).pipe(Effect.orDie);

export const row: Row = {
  id: "catch-up-imported",
  what: "the same with imported transcripts",
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 0.8 },
  run,
};
