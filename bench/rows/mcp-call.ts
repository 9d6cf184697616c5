/** A question of an agent over /mcp, by the official client: one after the other. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Effect } from "effect";
import { percentile, type Row } from "../Harness.ts";
import { daemonDoor, expecting } from "../HttpDoor.ts";

const calls = 300;
/** Not counted: code that runs for the first time. */
const first = 50;
const threads = 20;

const run = Effect.gen(function* () {
  const door = yield* daemonDoor;
  const [client] = yield* door.clients(1);
  const agent = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      for (let at = 0; at < threads; at++) {
        const body = JSON.stringify({ role: "user", text: `question ${at} about the parser` });
        const path = `/v1/threads/asked-${at}/messages`;
        await expecting(201, client?.send({ method: "POST", path, body }) ?? Promise.resolve(0));
      }
      const made = new Client({ name: "bench", version: "1" });
      const requestInit = { headers: { authorization: `Bearer ${door.token}` } };
      const transport = new StreamableHTTPClientTransport(new URL(`${door.http}/mcp`), { requestInit });
      await made.connect(transport as Parameters<Client["connect"]>[0]);
      return made;
    }),
    (made) => Effect.promise(() => made.close()),
  );
  const millis: Array<number> = [];
  for (let at = 0; at < calls + first; at++) {
    const began = performance.now();
    const answer = yield* Effect.promise(() =>
      agent.callTool({ name: "search", arguments: { query: "parser", limit: 5, max_tokens: 2_000 } }),
    );
    if (answer["isError"] === true) throw new Error(JSON.stringify(answer["content"]));
    if (at >= first) millis.push(performance.now() - began);
  }
  return {
    ours: percentile(millis, 0.99),
    peer: null,
    peerName: "nothing",
    note: `p99 of ${calls}, of which the client takes a part; p50 ${percentile(millis).toFixed(2)} ms`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "mcp-call-p99",
  what: "answer to `search` over /mcp, one after the other",
  unit: "ms",
  goal: undefined,
  run,
};
