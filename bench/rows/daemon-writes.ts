/** Bytes that a daemon and its nats-server have written to disk for each small event, over more than a minute. */
import { Effect } from "effect";
import { Recollect } from "../../src/client/Recollect.ts";
import { daemonOfItsOwn } from "../AtRest.ts";
import type { Row } from "../Harness.ts";
import { canBeSeen, writtenBytesOf } from "../Program.ts";

const perSecond = 35;
const threads = 20;
const textBytes = 890;
const warmSeconds = 10;
const watchedSeconds = 75;

/** One event after the other at a steady rate; those that are late do not wait for their turn. */
const say = (recollect: Recollect, seconds: number, from: number) =>
  Effect.forEach(
    Array.from({ length: seconds * perSecond }, (_, index) => from + index),
    (n) => {
      const text = `${n} `.padEnd(textBytes, "words that were said ");
      const said = Effect.promise(() => recollect.thread(`talk-${n % threads}`).say({ role: "user", text }));
      return Effect.andThen(Effect.sleep(((n - from) * 1000) / perSecond), said);
    },
    { concurrency: "unbounded", discard: true },
  );

const run = Effect.gen(function* () {
  if (!canBeSeen) return { skipped: "the bytes that another process writes are read from /proc, which is not here" };
  const { daemon, data, server } = yield* daemonOfItsOwn;
  const recollect = yield* Effect.acquireRelease(
    Effect.promise(() => Recollect.connect({ data })),
    (open) => Effect.promise(() => open.close()),
  );
  yield* say(recollect, warmSeconds, 0);
  const written = () => [daemon.pid, server].map(writtenBytesOf);
  const before = written();
  yield* say(recollect, watchedSeconds, warmSeconds * perSecond);
  const events = watchedSeconds * perSecond;
  const [daemons = 0, servers = 0] = written().map((bytes, at) => (bytes - (before[at] ?? 0)) / events);
  return {
    ours: (daemons + servers) / 1000,
    peer: textBytes / 1000,
    peerName: `the ${textBytes} bytes that are said`,
    note: `daemon ${(daemons / 1000).toFixed(1)} kB, nats-server ${(servers / 1000).toFixed(1)} kB; ${perSecond} events/s in ${threads} threads`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "daemon-writes",
  what: "written to disk for a small event",
  unit: "kB",
  goal: { of: "ratio", is: "at most", limit: 12 },
  run,
};
