import { assert, it } from "@effect/vitest";
import { Effect } from "effect";
import type { Row } from "../../bench/Harness.ts";
import { asSkipped, PeerMissing } from "../../bench/peers/PeerProgram.ts";
import { run } from "../../bench/Run.ts";

const row = (id: string, work: Row["run"]): Row => ({ id, what: "a test", unit: "ms", goal: undefined, run: work });
const fine = row("fine", Effect.succeed({ ours: 1, peer: 2, peerName: "a peer" }));
const noPeer = row(
  "no-peer",
  Effect.fail(new PeerMissing({ message: "it is not there" })).pipe(Effect.catchTag("PeerMissing", asSkipped)),
);
const broken = row("broken", Effect.die(new Error("a fault of ours")));
const endless = row("endless", Effect.never);

it.live("a peer that cannot be had is a row that says so, and no failure", () =>
  Effect.gen(function* () {
    const { failed, report } = yield* run([noPeer, fine]);
    assert.isFalse(failed);
    assert.deepStrictEqual(
      report.rows.map(({ note, ours }) => [ours, note]),
      [
        [null, "NOT MEASURED: it is not there"],
        [1, null],
      ],
    );
  }),
);

it.live("a fault of ours is a failure, and the rows after it are measured all the same", () =>
  Effect.gen(function* () {
    const { failed, report } = yield* run([broken, fine]);
    assert.isTrue(failed);
    assert.deepStrictEqual(
      report.rows.map(({ id, ours }) => [id, ours]),
      [
        ["broken", null],
        ["fine", 1],
      ],
    );
  }),
);

it.live("a row that is not done when the run's time is over ends, and says so", () =>
  Effect.gen(function* () {
    const { failed, report } = yield* run([fine, endless], { mostSeconds: 1 });
    assert.isFalse(failed);
    assert.include(report.rows[1]?.note ?? "", "NOT MEASURED: the 20 minutes of a run were over");
  }),
);
