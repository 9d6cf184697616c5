/**
 * Opening the database behind a path for writing: created when there is none, rebuilt when other versions made it.
 *
 * Room: projection.
 */
import { Effect } from "effect";
import { statSync } from "node:fs";
import * as ProjectorCondition from "../ProjectorCondition.ts";
import * as Generations from "./Generations.ts";
import { attemptOn } from "./LedgerFileSqlite.ts";
import type { Projection } from "../Projection.ts";
import * as ReadModelSqlite from "../ReadModelSqlite.ts";
import * as ScrubState from "../verify/ScrubState.ts";
import { rebuild, sweepLeftovers } from "./Rebuild.ts";
import * as WriteLock from "../write/WriteLockSqlite.ts";

/** Interval of progress reports of a rebuild, in events. */
const progressEvery = 10_000;

/** Told once, and counted in `status`: a ledger that was there is the second copy, also where the stream has everything. */
const tellGone = Effect.fnUntraced(function* (path: string) {
  yield* Effect.logWarning(`projector: The database behind ${path} is gone, and is made anew from the stream.`);
  const state = ScrubState.readSync(path);
  yield* attemptOn(path, () =>
    ScrubState.writeSync(path, { ...ScrubState.none, passes: state.passes, mended: state.mended + 1 }),
  );
});

/** A file is pointed to when its tables are in it: an empty one was emptied, and is as good as deleted. */
const holdsSomething = (file: string): boolean => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;

/** The file behind the path, made when there is none. */
const ensureFile = Effect.fnUntraced(function* (path: string, projections: ReadonlyArray<Projection>) {
  // Only a database of ours is taken over.
  if (Generations.isPlain(path)) yield* WriteLock.peek(path);
  yield* attemptOn(path, () => Generations.adopt(path));
  const found = Generations.current(path);
  if (found !== undefined && holdsSomething(found)) return found;
  // A link is made after its file, and the scrubber's state after both.
  const wasThere = found !== undefined || ScrubState.readSync(path).at > 0;
  const file = yield* attemptOn(path, () => Generations.next(path));
  const made = yield* ReadModelSqlite.open({ file, projections, durability: "durable" });
  yield* made.close;
  yield* attemptOn(path, () => Generations.pointTo(path, file));
  if (wasThere) yield* tellGone(path);
  return file;
});

/** Rebuilds by itself what a rebuild loses nothing of. */
const rebuildHere = Effect.fnUntraced(function* (options: {
  /** Reason, as the beginning of a sentence. */
  readonly reason: string;
  readonly path: string;
  readonly file: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly onRebuild: (message: string) => Effect.Effect<void>;
}) {
  const { path, projections, onRebuild } = options;
  const { reason } = options;
  const { condition } = yield* ProjectorCondition.identify(yield* WriteLock.peekAny(options.file));
  if (condition?.stopped === true) return yield* new ProjectorCondition.ProjectorStopped({ condition });
  yield* onRebuild(`${reason}.`);
  let told = 0;
  yield* rebuild({
    path,
    projections,
    onProgress: ({ sequence, head }) => {
      if (sequence - told < progressEvery) return Effect.void;
      told = sequence;
      return onRebuild(`${reason}: ${sequence} of ${head} events.`);
    },
  }).pipe(
    Effect.catchTag("LossRefused", (refused) =>
      Effect.fail(new ProjectorCondition.ProjectorStopped({ condition: ProjectorCondition.ledgerAhead(refused) })),
    ),
  );
});

const madeByAnother = "The database was made by another version and is rebuilt from the stream";

/** The current file, open for writing until the scope closes. */
export const openCurrent = Effect.fn("projection.openCurrent")(function* (options: {
  readonly path: string;
  readonly projections: ReadonlyArray<Projection>;
  readonly onRebuild: (message: string) => Effect.Effect<void>;
}) {
  const { path, projections } = options;
  const open = (file: string) =>
    Effect.acquireRelease(
      ReadModelSqlite.open({ file, path, projections, durability: "durable" }),
      (model) => model.close,
    );
  const file = yield* ensureFile(path, projections);
  const model = yield* open(file);
  if (!model.outdated) {
    yield* sweepLeftovers(path);
    return model;
  }
  yield* model.close;
  yield* rebuildHere({ ...options, file, reason: madeByAnother });
  return yield* open(Generations.current(path) ?? file);
});
