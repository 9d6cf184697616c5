/**
 * What one more message costs in a thread that has 10, 100, 1,000 and 10,000: appended to our log, and the usual way on
 * Redis, where a conversation is one value that is read, parsed, added to and written back.
 */
import { Context, Effect } from "effect";
import type { NewEvent } from "../../src/domain/Event.ts";
import { EventLog, maxEventsPerAppend } from "../../src/log/EventLog.ts";
import { type Curve, percentile, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis, type RedisClient } from "../peers/Redis.ts";
import { world } from "../Servers.ts";
import { type Conversation, conversations, eventOf, type Spoken } from "../Workload.ts";

const lengths = [10, 100, 1_000, 10_000] as const;
const longest = Math.max(...lengths);
/** Of ours, at each length; after as many again for warming up. A message takes less than a millisecond. */
const samples = 150;
/** Of Redis, at each length: its last one rewrites 46 MB, which takes seconds. */
const redisSamples = new Map<number, number>([
  [10, 60],
  [100, 60],
  [1_000, 20],
  [10_000, 3],
]);
const warmUp = 1;

/** A thread of each length; what is appended to all of them afterwards is the same. */
const loaded = Effect.fnUntraced(function* (log: EventLog["Service"], long: Conversation) {
  return yield* Effect.forEach(lengths, (length) =>
    Effect.gen(function* () {
      const history = { ...long.history, id: `long-${length}` };
      let expected = 0;
      for (let from = 0; from < length; from += maxEventsPerAppend) {
        const spoken = long.spoken.slice(from, Math.min(length, from + maxEventsPerAppend));
        const events = yield* Effect.forEach(spoken, (said) => eventOf(history, said));
        expected = (yield* log.append({ history, events, expected })).sequence;
      }
      return { history, expected, length, millis: Array<number>() };
    }),
  );
});

/** The lengths take turns message by message, so that what disturbs one disturbs all. */
const appended = Effect.fnUntraced(function* (log: EventLog["Service"], long: Conversation) {
  const threads = yield* loaded(log, long);
  for (let sample = 0; sample < 2 * samples; sample++) {
    const said = long.spoken[longest + sample];
    if (said === undefined) return yield* Effect.die("the conversation is too short");
    const first = sample % threads.length;
    for (const thread of [...threads.slice(first), ...threads.slice(0, first)]) {
      const { expected, history, millis } = thread;
      const event: NewEvent = yield* eventOf(history, said);
      const began = performance.now();
      const { sequence } = yield* log.append({ history, events: [event], expected });
      if (sample >= samples) millis.push(performance.now() - began);
      thread.expected = sequence;
    }
  }
  return threads.map(({ length, millis }) => [length, percentile(millis)] as const);
});

const rewrite = async (client: RedisClient, key: string, said: Spoken): Promise<void> => {
  const messages = JSON.parse((await client.get(key)) ?? "[]") as Array<Spoken>;
  messages.push(said);
  await client.set(key, JSON.stringify(messages));
};

const rewritten = Effect.fnUntraced(function* (client: RedisClient, long: Conversation) {
  return yield* Effect.forEach(lengths, (length) =>
    peerDoes(async () => {
      const key = `long-${length}`;
      await client.set(key, JSON.stringify(long.spoken.slice(0, length)));
      const millis: Array<number> = [];
      for (const said of long.spoken.slice(longest, longest + warmUp + (redisSamples.get(length) ?? 0))) {
        const began = performance.now();
        await rewrite(client, key, said);
        millis.push(performance.now() - began);
      }
      return [length, percentile(millis.slice(warmUp))] as const;
    }),
  );
});

/** What a message costs in the longest thread over what it costs in the shortest. */
const growthOf = (points: Curve["points"]): number =>
  (points.at(-1)?.[1] ?? Number.NaN) / (points[0]?.[1] ?? Number.NaN);

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  const { rooms } = yield* world();
  const [long] = conversations({ name: "long", count: 1, turns: longest + 2 * samples });
  if (long === undefined) return yield* Effect.die("no conversation");
  const ours = yield* appended(Context.get(rooms, EventLog), long);
  const peer = yield* rewritten(client, long);
  const said = (points: Curve["points"]) => points.map(([, millis]) => millis.toPrecision(2)).join(" / ");
  return {
    ours: growthOf(ours),
    peer: growthOf(peer),
    peerName: `Redis ${version}, appendfsync always: GET, parse, add, SET`,
    note: `p50 at 10 / 100 / 1,000 / 10,000 messages, ms: ours ${said(ours)}; Redis ${said(peer)}`,
    growth: {
      title: "What one more message costs",
      x: "messages already in the thread",
      y: "milliseconds until it is on disk, median",
      curves: [
        { name: "Recollect: append one event, fsync before the answer", points: ours },
        { name: `Redis ${version}: read, parse, add, write back; appendfsync always`, points: peer },
      ],
    },
  };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "flat-redis",
  what: "append p50 at message 10,000 of a thread over message 10",
  unit: "times",
  goal: { of: "ours", is: "at most", limit: 1.1 },
  run,
};
