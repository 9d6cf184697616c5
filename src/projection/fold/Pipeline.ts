/**
 * A pipeline of two: the next batch is prepared while the one before it is written.
 *
 * Room: projection.
 */
import { Effect, Fiber } from "effect";
import type { Sequence } from "../../domain/History.ts";
import { type Applied, type Batch, type ReadModel, StorageTrouble } from "../ReadModel.ts";

export interface Pipeline {
  /** Returns when the batch is prepared and the one before it is written. */
  readonly put: (batch: Batch) => Effect.Effect<void, StorageTrouble>;
  /** Everything put is written. */
  readonly done: Effect.Effect<void, StorageTrouble>;
}

/** A batch of which nothing was written must not count as written: what is folded after it would lack its events. */
const notWritten = (path: string, applied: Exclude<Applied, { readonly _tag: "Committed" }>): StorageTrouble =>
  new StorageTrouble({
    reason: "other",
    path,
    message:
      applied._tag === "Missing"
        ? `${path} cannot be written on: sequence ${applied.sequence} did not come, although a later one did.`
        : `${path} cannot be written on: another file has taken its place.`,
    hint: "Run it again; recollect verify says whether the stream lacks events.",
  });

/** Writing ends with the scope. */
export const make = Effect.fnUntraced(function* (
  model: ReadModel,
  onWritten: (sequence: Sequence) => Effect.Effect<void> = () => Effect.void,
) {
  const scope = yield* Effect.scope;
  let writing: Fiber.Fiber<Applied, StorageTrouble> | undefined;
  const done = Effect.suspend(() => {
    if (writing === undefined) return Effect.void;
    const before = writing;
    writing = undefined;
    return Effect.flatMap(Fiber.join(before), (applied): Effect.Effect<void, StorageTrouble> =>
      applied._tag === "Committed"
        ? onWritten(applied.checkpoint.sequence)
        : Effect.fail(notWritten(model.file, applied)),
    );
  });
  return {
    done,
    put: Effect.fnUntraced(function* (batch: Batch) {
      const prepared = yield* model.prepare(batch);
      yield* done;
      writing = yield* Effect.forkIn(model.commit(prepared), scope);
    }),
  } satisfies Pipeline;
});
