/**
 * The price of the digest per event: catch-up and rebuild with it, beside the same with constants in its place. An append
 * takes none: digests are made by who reads.
 */
import { Context, Effect } from "effect";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { EventLog } from "../../src/log/EventLog.ts";
import { inTurns, type Row } from "../Harness.ts";
import { temporaryFolder, world } from "../Servers.ts";
import { conversations, eventOf, eventsPerThread } from "../Workload.ts";

/** About 40 MB. */
const threads = 100;
const rounds = 4;

const beside = (name: string) => new URL(`../${name}`, import.meta.url).pathname;

/** Seconds of a fold in a process of its own. */
const folded = (isWithout: boolean, ...args: ReadonlyArray<string>): Effect.Effect<number> =>
  Effect.promise(
    () =>
      new Promise((resolve, reject) => {
        const preload = isWithout ? ["--import", beside("withoutDigest.mjs")] : [];
        const child = spawn(process.execPath, [...preload, beside("foldWork.ts"), ...args], {
          stdio: ["ignore", "pipe", "inherit"],
        });
        let out = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
        child.once("close", (code) => (code === 0 ? resolve(Number(out)) : reject(new Error(`it ended with ${code}`))));
      }),
  );

const run = (what: "catch-up" | "rebuild") =>
  Effect.gen(function* () {
    const { rooms, server } = yield* world({ sync: "2m" });
    const log = Context.get(rooms, EventLog);
    for (const { history, spoken } of conversations({ name: "digest", count: threads, turns: eventsPerThread })) {
      const events = yield* Effect.forEach(spoken, (said) => eventOf(history, said));
      yield* log.append({ history, events, expected: 0 });
    }
    const { lastSequence } = yield* log.info;
    const folder = yield* temporaryFolder;
    const rate = (isWithout: boolean) => (round: number) =>
      Effect.gen(function* () {
        const path = join(folder, `${isWithout}-${what === "rebuild" ? 0 : round}.db`);
        // The database to rebuild is made in the same mode: a ledger with other digests would be refused.
        if (what === "rebuild" && round === 0)
          yield* folded(isWithout, "catch-up", server.url, path, `${lastSequence}`);
        return lastSequence / (yield* folded(isWithout, what, server.url, path, `${lastSequence}`));
      });
    const taken = yield* inTurns({ rounds, ours: rate(false), peer: rate(true) });
    const note = `${lastSequence} events in OpenHands' sizes, all projections, full text on; by rounds in turns`;
    return { ...taken, peerName: "the same with constants in place of digest and running hash", note };
  }).pipe(Effect.orDie);

const goal = { of: "ratio", is: "at least", limit: 0.9 } as const;

export const rows: ReadonlyArray<Row> = [
  { id: "catch-up-digest", what: "catch-up with digests", unit: "events/s", goal, run: run("catch-up") },
  { id: "rebuild-digest", what: "rebuild with digests", unit: "events/s", goal, run: run("rebuild") },
];
