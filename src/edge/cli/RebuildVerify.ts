/**
 * `recollect rebuild` and `recollect verify`: read models made anew, and the proof that nothing differs.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Command } from "effect/cli";
import { readModels } from "../../../projections/all.ts";
import { rebuild as rebuildFile } from "../../projection/rebuild/Rebuild.ts";
import { verify as verifyFile } from "../../projection/verify/Verify.ts";
import { Attach } from "./Attach.ts";
import { awaitReadModels, caughtUp } from "./CaughtUp.ts";
import { Different } from "./Failure.ts";
import { json, store, where } from "./Flags.ts";
import * as Output from "./Output.ts";
import * as Progress from "./Progress.ts";

/** Long work over sequences, with a bar that is gone when the work is done. */
const shown = Effect.fnUntraced(function* <A, E, R>(
  work: (
    onProgress: (at: {
      readonly sequence: number;
      readonly head: number;
      readonly step?: string;
    }) => Effect.Effect<void>,
  ) => Effect.Effect<A, E, R>,
) {
  const bar = yield* Progress.make(Progress.events);
  const done = yield* work(({ head, sequence, step = "folding" }) =>
    Effect.sync(() => bar.show({ done: sequence, total: head, what: step === "folding" ? "" : step })),
  );
  bar.clear();
  return done;
});

const database = Effect.gen(function* () {
  const attach = yield* Attach;
  return (yield* attach.folder(yield* where)).database;
});

export const rebuild = Command.make(
  "rebuild",
  { json },
  Effect.fn("cli.rebuild")(
    function* (input) {
      // A database of another version is being rebuilt at this moment: two rebuilds at once refuse each other.
      const waiting = yield* Progress.make(Progress.events);
      yield* awaitReadModels(waiting);
      waiting.clear();
      const started = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      const path = yield* database;
      const done = yield* shown((onProgress) => rebuildFile({ path, projections: readModels, onProgress }));
      const millis = (yield* Effect.clockWith((clock) => clock.currentTimeMillis)) - started;
      if (input.json) return yield* Output.json({ ...done, millis });
      yield* Output.line(
        `Rebuilt from ${Output.counted(done.checkpoint, "event")} in ${Output.duration(millis)}; readers use the new file from now on.`,
      );
      if (done.recovered.length > 0) {
        yield* Output.note(
          `${Output.counted(done.recovered.length, "event")} the stream has lost came back from the old ledger.`,
        );
      }
      if (done.lost.length > 0) {
        const which = done.lost.slice(0, 20).join(", ");
        yield* Output.note(`${Output.counted(done.lost.length, "event")} in neither stream nor ledger: ${which}`);
      }
      if (done.kept !== undefined)
        yield* Output.note(`The old file holds what the stream no longer has and was kept: ${done.kept}`);
    },
    Effect.scoped,
    store,
  ),
).pipe(Command.withDescription("Make the read models anew from sequence 0, beside the live ones, then swap"));

export const verify = Command.make(
  "verify",
  { json },
  Effect.fn("cli.verify")(
    function* (input) {
      // What is not folded yet could not be compared.
      yield* caughtUp(yield* Progress.make(Progress.events));
      const path = yield* database;
      const found = yield* shown((onProgress) => verifyFile({ path, projections: readModels, onProgress }));
      if (input.json) yield* Output.json(found);
      else {
        yield* Output.line(
          `${found.ok ? "Equal" : "DIFFERENT"}: stream, ledger and read models up to sequence ${found.upTo}`,
        );
        yield* Output.line(
          `  stream  ${Output.counted(found.stream.messages, "event")}, sequences ${found.stream.firstSequence} to ${found.stream.lastSequence}`,
        );
        yield* Output.line(
          `  ledger  ${Output.counted(found.ledger.rows, "row")}, sequences ${found.ledger.firstSequence} to ${found.ledger.lastSequence}`,
        );
        const rows = found.tables.map(({ digest, expected, name, rows: count }) => [
          name,
          String(count),
          digest.slice(0, 16),
          digest === expected ? "" : `expected ${expected.slice(0, 16)}`,
        ]);
        for (const text of Output.table(["table", "rows", "digest", ""], rows)) yield* Output.line(`  ${text}`);
        for (const difference of found.differences.slice(0, 20))
          yield* Output.note(`  ${difference.sequence}: ${difference.message}`);
        if (found.condition !== undefined)
          yield* Output.note(`  ${found.condition.message}\n  ${found.condition.hint}`);
      }
      if (!found.ok) {
        if (!input.json) yield* Output.note("Mend the read models with: recollect rebuild");
        return yield* new Different({ message: "something differs" });
      }
    },
    Effect.scoped,
    store,
  ),
).pipe(Command.withDescription("Compare stream, ledger and read models; exit code 3 on any difference"));
