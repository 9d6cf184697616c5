/**
 * May this be done now? One limit, one process, each decision awaited: beside one bare KV update with an expected
 * revision of as many bytes in the same bucket, and beside a Redis script that decides the same.
 */
import { Effect } from "effect";
import { keyOf } from "../../src/coordination/bucket/Bucket.ts";
import { bucketSettings } from "../../src/coordination/limits/Limits.ts";
import { inPairs, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";
import { bareClient } from "../Servers.ts";
import { shared, wideLimit } from "../Shared.ts";
import * as NatsServer from "../../test/support/NatsServer.ts";

const decisions = 300;
const rounds = 5;

/** What a decision costs whom nobody has asked before: one round trip, also for a key that is new. */
const besideUpdateAlone = Effect.gen(function* () {
  const server = yield* NatsServer.make();
  const { bucket, config, limits } = yield* shared(server.url);
  yield* config.set({ "limits.bench": wideLimit });
  let users = 0;
  const decide = Effect.suspend(() => limits.take({ user: `user ${users++}`, tool: "search" }));
  yield* decide;
  const [first] = yield* bucket.entries(">");
  const state = first?.value ?? (yield* Effect.die("the limit has no state"));
  const { js } = yield* bareClient(server.url);
  let keys = 0;
  const create = (): Promise<unknown> =>
    js.publish(`$KV.${bucketSettings.name}.${keyOf("bare", `user ${keys++}`)}`, state, {
      expect: { lastSubjectSequence: 0 },
    });
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: decisions }, () => decide),
    peer: () => Array.from({ length: decisions }, () => create),
  });
  return { ...taken, peerName: "bare KV create, same bucket", note: "p50; each decision about another user" };
}).pipe(Effect.orDie);

/** One decision after another, and how many bytes the limit's state has once it is used. */
const deciding = Effect.gen(function* () {
  const server = yield* NatsServer.make();
  const { bucket, config, limits } = yield* shared(server.url);
  yield* config.set({ "limits.bench": wideLimit });
  const decide = limits.take({ user: "ana", tool: "search" });
  for (let warm = 0; warm < 2 * decisions; warm++) yield* decide;
  const [state] = yield* bucket.entries(">");
  if (state?.value === undefined) return yield* Effect.die("the limit has no state");
  return { server, decide, state: state.value };
});

const besideUpdate = Effect.gen(function* () {
  const { decide, server, state } = yield* deciding;
  const { js } = yield* bareClient(server.url);
  const subject = `$KV.${bucketSettings.name}.${keyOf("bare", "ana")}`;
  let revision = 0;
  const update = async (): Promise<void> => {
    const { seq } = await js.publish(subject, state, { expect: { lastSubjectSequence: revision } });
    revision = seq;
  };
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: decisions }, () => decide),
    peer: () => Array.from({ length: decisions }, () => update),
  });
  const note = `p50; a sliding window, held in ${state.byteLength} bytes, the peer writes as many`;
  return { ...taken, peerName: "bare KV update with expected revision, same bucket", note };
}).pipe(Effect.orDie);

/** A sliding window as it is usually written for Redis: the moments of the window as a sorted set. */
const script = `
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now - ARGV[2] * 1000)
local count = redis.call("ZCARD", KEYS[1])
if count >= tonumber(ARGV[1]) then return -1 end
redis.call("ZADD", KEYS[1], now, now)
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return count + 1`;

const besideRedis = Effect.gen(function* () {
  const { client, version } = yield* redis;
  // A limit's state is worth nothing after a restart, on either side.
  yield* peerDoes(() => client.configSet("appendonly", "no"));
  const sha = yield* peerDoes(() => client.scriptLoad(script));
  const { decide } = yield* deciding;
  const options = { keys: ["limit:ana"], arguments: [String(wideLimit.limit), String(wideLimit.windowMillis)] };
  const ask = async (): Promise<void> => {
    if (Number(await client.evalSha(sha, options)) < 0) throw new Error("Redis refuses");
  };
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: decisions }, () => decide),
    peer: () => Array.from({ length: decisions }, () => ask),
  });
  const note = "p50; both keep it in memory";
  return { ...taken, peerName: `Redis ${version} EVALSHA of a sliding window, no fsync`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

const what = "may this be done now: one limit for all processes, each decision awaited";

export const rows: ReadonlyArray<Row> = [
  { id: "limit-decision", what, unit: "ms", goal: { of: "ratio", is: "at most", limit: 1.2 }, run: besideUpdate },
  {
    id: "limit-decision-alone",
    what: "may this be done now: who has not asked before",
    unit: "ms",
    goal: { of: "ratio", is: "at most", limit: 1.2 },
    run: besideUpdateAlone,
  },
  { id: "limit-decision-redis", what, unit: "ms", goal: undefined, run: besideRedis },
];
