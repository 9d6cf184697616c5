/** A warm thread read over HTTP, at a steady thousand a second. */
import { Effect } from "effect";
import { percentile, type Row } from "../Harness.ts";
import { daemonDoor, expecting } from "../HttpDoor.ts";

const perSecond = 1_000;
const seconds = 5;
const threads = 50;
const messages = 20;
/** Requests that come while all are busy wait for one, and that is counted. */
const connections = 32;

const run = Effect.gen(function* () {
  const door = yield* daemonDoor;
  const clients = yield* door.clients(connections);
  const send = (client: number, path: string, body?: string) =>
    clients[client]?.send({
      method: body === undefined ? "GET" : "POST",
      path,
      ...(body === undefined ? {} : { body }),
    }) ?? Promise.resolve(0);
  yield* Effect.promise(async () => {
    for (let thread = 0; thread < threads; thread++) {
      const events = Array.from({ length: messages }, (_, at) => ({
        type: "thread.message_appended",
        data: { messageId: `m${at}`, role: "user", parts: [{ type: "text", text: `message ${at} `.repeat(20) }] },
      }));
      await expecting(201, send(0, `/v1/threads/read-${thread}/events`, JSON.stringify({ events })));
      await expecting(200, send(0, `/v1/threads/read-${thread}`));
    }
  });
  const taken = yield* Effect.promise(async () => {
    const idle = clients.map((_, client) => client);
    const waiting: Array<() => void> = [];
    const millis: Array<number> = [];
    const began = performance.now();
    const one = async (at: number) => {
      const dueAt = began + (at / perSecond) * 1_000;
      // The pause is rounded up: a timer fires up to a millisecond early, and the answer would come before it was due.
      const pause = Math.ceil(dueAt - performance.now());
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      if (idle.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      const client = idle.pop() ?? 0;
      await expecting(200, send(client, `/v1/threads/read-${at % threads}`));
      // Latency counts from the time at which it was due: a server that falls behind pays for it.
      millis.push(performance.now() - dueAt);
      idle.push(client);
      waiting.shift()?.();
    };
    await Promise.all(Array.from({ length: perSecond * seconds }, (_, at) => one(at)));
    return millis.slice(perSecond);
  });
  return {
    ours: percentile(taken, 0.99),
    peer: null,
    peerName: "nothing",
    note: `p99 from the moment it was due; p50 ${percentile(taken).toFixed(2)} ms; a timer of Node is up to 1 ms late`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "http-read-p99",
  what: "warm thread read over HTTP, 1,000 requests/s",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 3 },
  run,
};
