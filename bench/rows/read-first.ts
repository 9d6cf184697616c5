/** The first read of a fresh process, beside its next reads of threads that it does not know either. */
import { Effect } from "effect";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Recollect } from "../../src/client/Recollect.ts";
import { daemonOfItsOwn } from "../AtRest.ts";
import { percentile, type Row } from "../Harness.ts";

const threads = Array.from({ length: 20 }, (_, index) => `known-${index}`);
const messages = 200;
const rounds = 7;
/** By then every thread has its snapshot. */
const settleMillis = 10_000;

const run = Effect.gen(function* () {
  const { data } = yield* daemonOfItsOwn;
  yield* Effect.promise(async () => {
    const recollect = await Recollect.connect({ data });
    for (let n = 0; n < messages; n++) {
      const said = { role: "user", text: `${n} `.padEnd(400, "words that were said ") };
      // oxlint-disable-next-line eslint/no-await-in-loop -- the messages of a thread in their order
      await Promise.all(threads.map((id) => recollect.thread(id).say(said)));
    }
    await recollect.close();
  });
  yield* Effect.sleep(settleMillis);
  const reader = join(import.meta.dirname, "../firstReader.mjs");
  const took = Array.from({ length: rounds }, () => {
    const { status, stderr, stdout } = spawnSync(process.execPath, [reader, data, ...threads], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    const [first = Number.NaN, ...others]: ReadonlyArray<number> = JSON.parse(stdout);
    return { first, others: percentile(others) };
  });
  const ratios = took.map(({ first, others }) => first / others);
  return {
    ours: percentile(took.map(({ first }) => first)),
    peer: percentile(took.map(({ others }) => others)),
    peerName: "a read of another thread that the same process has not read",
    spread: [Math.min(...ratios), Math.max(...ratios)] as const,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "read-first",
  what: `first read of a process, a thread of ${messages} messages`,
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 3 },
  run,
};
