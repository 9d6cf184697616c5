import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import * as History from "../../src/domain/History.ts";
import { EventLog, LogUnavailable, type StreamEnd } from "../../src/log/EventLog.ts";
import * as EventLogMemory from "../../src/log/EventLogMemory.ts";
import { afterAll, StreamEndSeen } from "../../src/publish/delivery/StreamEndSeen.ts";
import type { Command } from "../../src/spool/Spool.ts";
import { event } from "../contract/EventLogContract.ts";

const behind = (...ends: ReadonlyArray<StreamEnd | undefined>) =>
  afterAll(ends.map((after): Command => ({ history: History.thread("t"), event: event(), blobs: [], after })));

describe("where a stream ends, as a publisher knows it", () => {
  it("is for several commands the earliest of their ends, if each has one and all are of one stream", () => {
    const [early, late, other] = [
      { created: 1, sequence: 5 },
      { created: 1, sequence: 9 },
      { created: 2, sequence: 1 },
    ];
    assert.deepStrictEqual(behind(late, early, late), early);
    assert.isUndefined(behind(late, undefined));
    assert.isUndefined(behind(undefined, late));
    assert.isUndefined(behind(late, other));
    assert.isUndefined(behind());
  });

  it.live(
    "is what the log says, or later by what it acknowledged; what an earlier process knew holds for that stream",
    () =>
      Effect.gen(function* () {
        const log = yield* EventLog;
        yield* log.append({ history: History.thread("t"), events: [event(), event()], expected: 0 });
        const { created } = yield* log.info;
        const known = new StreamEndSeen(log);
        known.reached(7);
        assert.isUndefined(known.now);
        yield* known.learn;
        assert.deepStrictEqual(known.now, { created, sequence: 2 });
        for (const sequence of [7, 4]) known.reached(sequence);
        assert.deepStrictEqual(known.now, { created, sequence: 7 });
        known.begin({ created, sequence: 3 });
        assert.deepStrictEqual(known.now, { created, sequence: 7 });

        const heir = new StreamEndSeen(log);
        heir.begin({ created: created - 1, sequence: 99 });
        yield* heir.learn;
        assert.deepStrictEqual(heir.now, { created, sequence: 2 });

        const away = new StreamEndSeen({ ...log, info: Effect.fail(new LogUnavailable({ reason: "away" })) });
        yield* away.learn;
        assert.isUndefined(away.now);
      }).pipe(Effect.provide(EventLogMemory.layer)),
  );
});
