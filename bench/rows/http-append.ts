/** Appends over HTTP: many clients that each wait for theirs, beside bare publishes on the same server; and one alone. */
import { Effect } from "effect";
import { inPairs, inTurns, perSecond, type Row } from "../Harness.ts";
import { daemonDoor, expecting } from "../HttpDoor.ts";

const rounds = 5;
const ourTurns = 12;
const peersTurns = 3;
const text =
  "What a person says to an agent is some two hundred bytes long, as this sentence is, and it stands in an event of its own. ".repeat(
    2,
  );

/** Into the log or refused: an append that went by the spool would wait for less. */
const body = (id: string) =>
  JSON.stringify({
    id,
    durable: "log",
    type: "thread.message_appended",
    data: { messageId: id, role: "user", parts: [{ type: "text", text }] },
  });

const many = (count: number) =>
  Effect.gen(function* () {
    const door = yield* daemonDoor;
    const clients = yield* door.clients(count);
    const each = (turns: number, turn: (client: number, at: number) => Promise<unknown>) =>
      perSecond(
        count * turns,
        Effect.promise(() =>
          Promise.all(
            Array.from({ length: count }, async (_, client) => {
              for (let at = 0; at < turns; at++) await turn(client, at);
            }),
          ),
        ),
      );
    const taken = yield* inTurns({
      rounds,
      ours: (round) =>
        each(ourTurns, (client, at) => {
          const id = `http-${round}-${client}-${at}`;
          const path = `/v1/threads/http-${round}-${client}/events`;
          return expecting(201, clients[client]?.send({ method: "POST", path, body: body(id) }) ?? Promise.resolve(0));
        }),
      peer: (round) =>
        each(peersTurns, (client, at) => {
          const id = `bare-${round}-${client}-${at}`;
          return door.js.publish(`BARE.${round}-${client}`, body(id), { msgID: id });
        }),
    });
    return { ...taken, peerName: `${count} js.publish in flight on the same server` };
  }).pipe(Effect.orDie);

const row = (count: number): Row => ({
  id: `http-append-${count}`,
  what: `durable appends over HTTP, ${count} clients, a thread each`,
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 2 },
  run: many(count),
});

const turnsAlone = 100;

const one = Effect.gen(function* () {
  const door = yield* daemonDoor;
  const [client] = yield* door.clients(1);
  const ours = (round: number) =>
    Array.from({ length: turnsAlone }, (_, at) =>
      Effect.promise(() =>
        expecting(
          201,
          client?.send({ method: "POST", path: `/v1/threads/one-${round}/events`, body: body(`one-${round}-${at}`) }) ??
            Promise.resolve(0),
        ),
      ),
    );
  const peer = (round: number) =>
    Array.from({ length: turnsAlone }, (_, at) => {
      const id = `bare-one-${round}-${at}`;
      return () => door.js.publish(`BARE.one-${round}`, body(id), { msgID: id });
    });
  const taken = yield* inPairs({ rounds: 7, ours, peer });
  return { ...taken, peerName: "js.publish with msgID on the same server", note: "p50; goal: twice append-one" };
}).pipe(Effect.orDie);

const alone: Row = {
  id: "http-append-one",
  what: "durable append over HTTP, one client, each awaited",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 2.3 },
  run: one,
};

export const rows: ReadonlyArray<Row> = [alone, row(64), row(256)];
