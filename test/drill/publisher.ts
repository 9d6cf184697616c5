/**
 * A publisher of the outage drill: speaks in a few threads that others speak in too, until it is told to stop.
 *
 * `node publisher.ts DATA URL NOTES NAME THREADS`. What the store accepts it notes in NOTES before it goes on, one line
 * a message: `<thread> <number> <event id> <what became of it> <milliseconds>`. Its first line of output says that it
 * speaks; a line on stdin, or its end, lets it flush, close and say what it counted.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { Recollect } from "../../src/publish/Recollect.ts";

const [data = "", url = "", notesFile = "", name = "", threads = "1"] = process.argv.slice(2);

/** Some thirty messages a second: an agent at its busiest, four times. */
const longestPauseMillis = 60;
/** One call in so many is not awaited before the next one is made. */
const burstOneIn = 4;
/** One message in so many is too large for its event and goes to the object store. */
const largeOneIn = 250;
const largeLength = 300_000;

const notes = openSync(notesFile, "a");
const recollect = await Recollect.connect({ data, url, client: name });
const spoken = Array.from({ length: Number(threads) }, (_, index) => ({
  thread: recollect.thread(`shared-${index}`),
  next: 0,
}));

let isStopped = false;
process.stdin.on("data", () => (isStopped = true));
process.stdin.on("end", () => (isStopped = true));

const chance = (oneIn: number) => Math.random() * oneIn < 1;
let failures = 0;

const say = async ({ next, thread }: { readonly next: number; readonly thread: ReturnType<Recollect["thread"]> }) => {
  const began = performance.now();
  const text = chance(largeOneIn) ? `${next} ${"x".repeat(largeLength)}` : String(next);
  try {
    const { _tag, eventId } = await thread.say({ role: name, text });
    writeSync(notes, `${thread.id} ${next} ${eventId} ${_tag} ${(performance.now() - began).toFixed(1)}\n`);
  } catch (error) {
    failures++;
    writeSync(2, `${name}: ${String(error)}\n`);
  }
};

writeSync(1, "speaking\n");
const open: Array<Promise<void>> = [];
while (!isStopped) {
  const place = spoken[Math.floor(Math.random() * spoken.length)];
  if (place === undefined) break;
  const said = say({ thread: place.thread, next: place.next++ });
  if (chance(burstOneIn)) open.push(said);
  else await said;
  if (open.length > 20) await Promise.all(open.splice(0));
  if (!chance(burstOneIn)) await setTimeout(Math.random() * longestPauseMillis);
}
await Promise.all(open);
await recollect.close();
writeSync(1, `${JSON.stringify({ failures })}\n`);
process.exit(failures === 0 ? 0 : 1);
