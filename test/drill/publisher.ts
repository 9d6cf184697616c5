/**
 * A publisher of the outage drill: speaks in a few threads that others speak in too, until it is told to stop.
 *
 * `node publisher.ts DATA URL NOTES NAME THREADS`. What the store accepts it notes in NOTES before it goes on, one line
 * a message: `<thread> <number> <event id> <what became of it> <milliseconds>`. Its first line of output says that it
 * speaks; a line on stdin, or its end, lets it flush, close and say what it counted.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, Logger, ManagedRuntime, References } from "effect";
import { openSync, writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import * as Connect from "../../src/publish/Connect.ts";
import { Publisher } from "../../src/publish/Publisher.ts";
import * as Thread from "../../src/publish/thread/ThreadPublisher.ts";

const [data = "", url = "", notesFile = "", name = "", threads = "1"] = process.argv.slice(2);

/** At its own pace some ten messages a second, in a burst a hundred and more: an agent, and an agent at its busiest. */
const longestPauseMillis = { paced: 200, burst: 15 };
/** How long it keeps to either. */
const longestSpellMillis = 4_000;
/** One call in so many is not awaited before the next one is made. */
const burstOneIn = 4;
/** One message in so many is too large for its event and goes to the object store. */
const largeOneIn = 250;
const largeLength = 300_000;

const notes = openSync(notesFile, "a");
/** What it cannot do for the moment belongs into the drill's own file, should the drill fail. */
const logger = Logger.make(({ date, message }) => {
  writeSync(2, `${date.toISOString()} ${name}: ${String(message)}\n`);
});
const quiet = Layer.mergeAll(
  NodeServices.layer,
  Logger.layer([logger]),
  Layer.succeed(References.MinimumLogLevel, "Debug"),
);
const runtime = ManagedRuntime.make(Connect.layer({ data, url, source: name }).pipe(Layer.provideMerge(quiet)));
const spoken = await runtime.runPromise(
  Effect.forEach(Array.from({ length: Number(threads) }).keys(), (index) =>
    Effect.map(Thread.thread(`shared-${index}`), (thread) => ({ thread, next: 0 })),
  ),
);

let isStopped = false;
process.stdin.on("data", () => (isStopped = true));
process.stdin.on("end", () => (isStopped = true));

const chance = (oneIn: number) => Math.random() * oneIn < 1;
let failures = 0;

const say = async ({ next, thread }: { readonly next: number; readonly thread: Thread.ThreadPublisher }) => {
  const began = performance.now();
  const text = chance(largeOneIn) ? `${next} ${"x".repeat(largeLength)}` : String(next);
  try {
    const { _tag, eventId } = await runtime.runPromise(thread.say({ role: name, text }));
    writeSync(notes, `${thread.id} ${next} ${eventId} ${_tag} ${(performance.now() - began).toFixed(1)}\n`);
  } catch (error) {
    failures++;
    writeSync(2, `${name}: ${String(error)}\n`);
  }
};

writeSync(1, "speaking\n");
const open: Array<Promise<void>> = [];
let spell: keyof typeof longestPauseMillis = "paced";
let spellEnds = 0;
while (!isStopped) {
  if (performance.now() >= spellEnds) {
    spell = spell === "paced" ? "burst" : "paced";
    spellEnds = performance.now() + Math.random() * longestSpellMillis;
  }
  const place = spoken[Math.floor(Math.random() * spoken.length)];
  if (place === undefined) break;
  const said = say({ thread: place.thread, next: place.next++ });
  if (chance(burstOneIn)) open.push(said);
  else await said;
  if (open.length > 20) await Promise.all(open.splice(0));
  if (!chance(burstOneIn)) await setTimeout(Math.random() * longestPauseMillis[spell]);
}
await Promise.all(open);
await runtime.runPromise(Publisher.use(({ flush }) => flush));
await runtime.dispose();
writeSync(1, `${JSON.stringify({ failures })}\n`);
process.exit(failures === 0 ? 0 : 1);
