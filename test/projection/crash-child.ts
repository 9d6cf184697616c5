/** A process to be killed: a projector on the path given, over the made-up conversation. Says each new checkpoint. */
import { Effect } from "effect";
import { readModels } from "../../projections/all.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as Projector from "../../src/projection/Projector.ts";
import { rebuild } from "../../src/projection/rebuild/Rebuild.ts";
import { conversation } from "./Conversation.ts";
import { stubLog } from "./StubLog.ts";

const [, , work, path = "", count = "0"] = process.argv;
const log = stubLog(conversation(Number(count)));

const project = Effect.gen(function* () {
  const limits = { events: 7, bytes: 1_000_000, fillMillis: 1 };
  const projector = yield* Projector.make({ path, projections: readModels, limits });
  for (let sequence = 7; sequence < Number(count); sequence += 7) {
    yield* projector.awaitSequence(sequence);
    process.stdout.write(`${sequence}\n`);
  }
  yield* projector.awaitSequence(Number(count));
  process.stdout.write("done\n");
});

/** Ends itself with kill -9 in the middle of a transaction: after the rows of many events, before the commit. */
const deadly: Projection = {
  name: "deadly",
  version: 1,
  doc: "Kills its process at a sequence.",
  tables: [],
  views: [],
  handle: () => [],
  record: ({ sequence }) => {
    if (work === "deadly" && sequence === 260) process.kill(process.pid, "SIGKILL");
    return [];
  },
};

const projectDeadly = Effect.gen(function* () {
  const projector = yield* Projector.make({ path, projections: [...readModels, deadly] });
  yield* projector.awaitSequence(Number(count));
  process.stdout.write("done\n");
});

const again = rebuild({
  path,
  projections: readModels,
  onProgress: ({ sequence }) => Effect.sync(() => process.stdout.write(`${sequence}\n`)),
}).pipe(Effect.andThen(Effect.sync(() => process.stdout.write("done\n"))));

const run = <A, E>(effect: Effect.Effect<A, E, EventLog>) =>
  Effect.runPromise(effect.pipe(Effect.provideService(EventLog, log.service)));

if (work === "rebuild") await run(again);
else await run(Effect.scoped(work === "project" ? project : projectDeadly));
