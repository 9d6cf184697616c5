/** Rebuilding the read models of a million small events while a daemon projects and an analyst asks. */
import { Context, Effect, Fiber, Schedule } from "effect";
import { join } from "node:path";
import { EventLog } from "../../src/log/EventLog.ts";
import { peek } from "../../src/projection/write/WriteLockSqlite.ts";
import { analyst } from "../Analyst.ts";
import type { Row } from "../Harness.ts";
import { canBeSeen, program } from "../Program.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { appendSmall } from "../SmallEvents.ts";

const events = 1_000_000;
const threads = 100_000;
const lookMillis = 100;
/** Long enough for what is given back when there is nothing to do. */
const restMillis = 15_000;
const analystMillis = 5_000;

const run = Effect.gen(function* () {
  if (!canBeSeen) return { skipped: "memory of another process is read from /proc, which is not here" };
  // The server may forget an fsync here: what is measured is reading.
  const { rooms, server } = yield* world({ sync: "2m" });
  yield* appendSmall(Context.get(rooms, EventLog), { count: events, threads });
  const data = yield* temporaryFolder;
  const where = ["--json", "--nats-url", server.url, "--data", data];
  const began = performance.now();
  const daemon = yield* program(["up", ...where]);
  const path = join(data, "recollect.db");
  yield* peek(path).pipe(
    Effect.orElseSucceed(() => undefined),
    Effect.repeat({ until: (reached) => (reached?.sequence ?? 0) >= events, schedule: Schedule.spaced(lookMillis) }),
  );
  const caughtUp = (performance.now() - began) / 1000;
  yield* Effect.sleep(restMillis);
  const idle = daemon.memory();
  const { p99 } = yield* analyst(path);
  const asking = yield* Effect.forkChild(p99(analystMillis));
  const again = performance.now();
  const rebuild = yield* program(["rebuild", ...where]);
  const seconds = (performance.now() - again) / 1000;
  const asked = yield* Fiber.join(asking);
  return {
    ours: seconds,
    peer: caughtUp,
    peerName: "the daemon's first catch-up, durable",
    note:
      `${rebuild.memory().most.toFixed(0)} MB resident at most (goal 300); daemon ${idle.now.toFixed(0)} MB at rest after it ` +
      `(goal 250), ${idle.most.toFixed(0)} at most; analyst meanwhile p99 ${asked.toFixed(2)} ms`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "rebuild-1m",
  what: `rebuild of ${events.toLocaleString("en")} events in ${threads.toLocaleString("en")} threads, live reads going on`,
  unit: "s",
  goal: { of: "ours", is: "at most", limit: 30 },
  run,
};
