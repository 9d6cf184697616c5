import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { noCheckpoint } from "../../src/projection/Checkpoint.ts";
import * as Pipeline from "../../src/projection/fold/Pipeline.ts";
import { type Batch, type ReadModel, StorageTrouble } from "../../src/projection/ReadModel.ts";
import { said } from "./StubLog.ts";

const batch = (sequence: number): Batch => ({
  incoming: [{ entry: said(sequence, "word") }],
  streamCreated: 1,
  now: 2,
});

const sequenceOf = ({ incoming }: Batch): number => incoming[0]?.entry.sequence ?? 0;

const trouble = new StorageTrouble({ reason: "full", path: "nowhere", message: "It is full.", hint: "Wait." });

/** A sink that tells what it is asked for, and takes some turns to write; the batches in `failing` cannot be written. */
const sink = (failing: ReadonlyArray<number> = []) => {
  const told: Array<string> = [];
  const model: Pick<ReadModel, "prepare" | "commit"> = {
    prepare: (given) =>
      Effect.sync(() => {
        told.push(`prepare ${sequenceOf(given)}`);
        return { batch: given };
      }),
    commit: Effect.fnUntraced(function* ({ batch: given }) {
      const sequence = sequenceOf(given);
      told.push(`write ${sequence}`);
      for (let turn = 0; turn < 5; turn++) yield* Effect.yieldNow;
      if (failing.includes(sequence)) return yield* trouble;
      told.push(`written ${sequence}`);
      return { _tag: "Committed", checkpoint: { ...noCheckpoint, sequence } };
    }),
  };
  const note = (sequence: number) => Effect.sync(() => void told.push(`noted ${sequence}`));
  return { told, made: Pipeline.make(model as ReadModel, note) };
};

describe("a pipeline", () => {
  it.live("prepares a batch while the one before is written, and writes one at a time", () =>
    Effect.gen(function* () {
      const { made, told } = sink();
      const { done, put } = yield* made;
      for (const sequence of [1, 2, 3]) yield* put(batch(sequence));
      yield* done;
      assert.isBelow(told.indexOf("prepare 2"), told.indexOf("written 1"));
      assert.isBelow(told.indexOf("prepare 3"), told.indexOf("written 2"));
      const written = [1, 2, 3].flatMap((n) => [`write ${n}`, `written ${n}`, `noted ${n}`]);
      assert.deepStrictEqual(
        told.filter((one) => !one.startsWith("prepare")),
        written,
      );
    }),
  );

  it.live("fails with what a write failed with, at the next batch or the end, and notes nothing of it", () =>
    Effect.gen(function* () {
      const { made, told } = sink([1, 3]);
      const { done, put } = yield* made;
      yield* put(batch(1));
      assert.deepStrictEqual(yield* Effect.flip(put(batch(2))), trouble);
      yield* put(batch(3));
      assert.deepStrictEqual(yield* Effect.flip(done), trouble);
      assert.notInclude(told.join(), "noted");
    }),
  );

  it.live("takes no batch for written of which nothing was: of a hole, or of a file that was replaced", () =>
    Effect.gen(function* () {
      for (const applied of [{ _tag: "Missing", sequence: 2 }, { _tag: "Superseded" }] as const) {
        const noted: Array<number> = [];
        const model = {
          file: "nowhere",
          prepare: (given: Batch) => Effect.succeed({ batch: given }),
          commit: () => Effect.succeed(applied),
        };
        const { done, put } = yield* Pipeline.make(model as unknown as ReadModel, (sequence) =>
          Effect.sync(() => void noted.push(sequence)),
        );
        yield* put(batch(3));
        const error = yield* Effect.flip(done);
        assert.deepInclude(error, { _tag: "StorageTrouble", path: "nowhere" });
        assert.match(error.message, applied._tag === "Missing" ? /sequence 2 did not come/ : /taken its place/);
        assert.deepStrictEqual(noted, []);
      }
    }),
  );
});
