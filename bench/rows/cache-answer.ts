/** A tool's answer that is given again by the process that has it, beside Redis GET and parsing of the same answer. */
import { Context, Effect, Layer, type Scope } from "effect";
import { createHash } from "node:crypto";
import * as CacheWireNats from "../../src/coordination/cache/CacheSharingNats.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as ResponseCache from "../../src/coordination/cache/ResponseCache.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import * as NatsServer from "../../test/support/NatsServer.ts";
import { inPairs, type Row } from "../Harness.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { redis } from "../peers/Redis.ts";

const reuses = 500;
const rounds = 5;
const request = { query: "what is an event?", limit: 20, filters: { language: "en", since: 2020 } };
const answer = { content: [{ type: "text", text: "It is a fact, in the past tense. ".repeat(60) }] };

/** Unrecorded, because an event is published behind the answer and costs the same with any cache. */
const cacheOn = (servers: string): Effect.Effect<ResponseCache.ResponseCache["Service"], never, Scope.Scope> =>
  Effect.map(
    Layer.build(
      ResponseCache.layerCare.pipe(
        Layer.provide(CacheWireNats.layer),
        Layer.provide(Configuration.layer()),
        Layer.provide(EventLogNats.layer()),
        Layer.provide(NatsConnection.layer({ servers, name: "bench" })),
      ),
    ),
    (built) => Context.get(built, ResponseCache.ResponseCache),
  ).pipe(Effect.orDie);

const run = Effect.gen(function* () {
  const { client, version } = yield* redis;
  yield* peerDoes(() => client.configSet("appendonly", "no"));
  const server = yield* NatsServer.make();
  const cache = yield* cacheOn(server.url);
  const asked = { kind: "tool", name: "search", request } as const;
  yield* cache.reuse(asked, Effect.succeed(answer));
  const keyOf = (): string => createHash("sha256").update(JSON.stringify(request)).digest("hex");
  yield* peerDoes(() => client.set(keyOf(), JSON.stringify(answer)));
  const ours = Effect.flatMap(cache.find(asked), (found) =>
    found?.reusedFrom === "process" ? Effect.void : Effect.die("it is not there"),
  );
  const peer = async (): Promise<void> => {
    const text = await client.get(keyOf());
    if (text === null || JSON.parse(text) === null) throw new Error("Redis has not got it");
  };
  const taken = yield* inPairs({
    rounds,
    ours: () => Array.from({ length: reuses }, () => ours),
    peer: () => Array.from({ length: reuses }, () => peer),
  });
  const note = "p50; an answer of 2 KB to a request of 80 bytes; both hash the request and parse the answer";
  return { ...taken, peerName: `Redis ${version} GET and JSON.parse, no fsync`, note };
}).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

export const row: Row = {
  id: "cache-answer",
  what: "a tool's answer, given again by the process that has it",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 0.05 },
  run,
};
