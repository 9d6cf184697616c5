/** Reading a thread again, against Redis `HGETALL` and parsing of the very messages that the answer holds. */
import { Context, Effect } from "effect";
import { EventLog } from "../../src/log/EventLog.ts";
import { ThreadReader } from "../../src/snapshot/ThreadReader.ts";
import { inPairs, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";
import { world } from "../Servers.ts";
import { conversations, eventOf } from "../Workload.ts";

const messages = 1_000;
const reads = 200;
const rounds = 5;

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const [read] = conversations({ name: "read", count: 1, turns: messages });
  if (read === undefined) return yield* Effect.die("no conversation");
  const { history, spoken } = read;
  const events = yield* Effect.forEach(spoken, (said) => eventOf(history, said));
  const { sequence } = yield* Context.get(rooms, EventLog).append({ history, events, expected: 0 });
  const reader = Context.get(rooms, ThreadReader);

  /** What is read is checked every time: a quick wrong answer is no figure. */
  const ours = Effect.gen(function* () {
    const state = yield* reader.get(history.id);
    if (state?.lastSequence !== sequence) return yield* Effect.die("the reader answers with an old state");
    return state;
  });

  const { messages: answered } = (yield* ours).window;
  const key = `thread:${history.id}`;
  const fields = Object.fromEntries(answered.map((entry, index) => [String(index), JSON.stringify(entry)]));
  yield* peerDoes(() => client.hSet(key, fields));
  const peer = async (): Promise<void> => {
    const found = Object.values(await client.hGetAll(key)).map((text): unknown => JSON.parse(text));
    if (found.length !== answered.length) throw new Error("Redis answers with other messages");
  };

  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: reads }, () => ours),
    peer: () => Array.from({ length: reads }, () => peer),
  });
  const bytes = Object.values(fields).reduce((sum, text) => sum + text.length, 0);
  const note = `p50; a thread of ${messages} messages, of which both answer with the newest ${answered.length} (${(bytes / 1000).toFixed(0)} KB)`;
  return { ...taken, peerName: `Redis ${version} HGETALL and JSON.parse of the same messages`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "read-warm-redis",
  what: "a warm thread, read by the process that has just read it",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 0.02 },
  run,
};
