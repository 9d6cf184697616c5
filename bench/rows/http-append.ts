/**
 * Appends over HTTP: many clients that each wait for theirs, beside bare publishes on the same server and beside inserts by
 * a small HTTP server on PostgreSQL; and one alone.
 */
import { Effect } from "effect";
import { inPairs, inTurns, perSecond, type Row } from "../Harness.ts";
import { childProgram, daemonDoor, expecting, type HttpConnection, httpClients } from "../HttpDoor.ts";
import { asSkipped } from "../peers/PeerProgram.ts";
import { peerDoes } from "../peers/PeerWork.ts";
import { connections, postgres } from "../peers/Postgres.ts";

const postgresServer = new URL("../postgresHttp.ts", import.meta.url).pathname;

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

/** `turns` of each of so many clients, which all go on at once. */
const each = (count: number, turns: number, turn: (client: number, at: number) => Promise<unknown>) =>
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

const appending = (clients: ReadonlyArray<HttpConnection>, round: number) => (client: number, at: number) =>
  expecting(
    201,
    clients[client]?.send({
      method: "POST",
      path: `/v1/threads/http-${round}-${client}/events`,
      body: body(`http-${round}-${client}-${at}`),
    }) ?? Promise.resolve(0),
  );

const many = (count: number) =>
  Effect.gen(function* () {
    const door = yield* daemonDoor;
    const clients = yield* door.clients(count);
    const taken = yield* inTurns({
      rounds,
      ours: (round) => each(count, ourTurns, appending(clients, round)),
      peer: (round) =>
        each(count, peersTurns, (client, at) => {
          const id = `bare-${round}-${client}-${at}`;
          return door.js.publish(`BARE.${round}-${client}`, body(id), { msgID: id });
        }),
    });
    return { ...taken, peerName: `${count} js.publish in flight on the same server` };
  }).pipe(Effect.orDie);

/** The peer's server has PostgreSQL to itself, and no log, snapshot or read model behind it. */
const againstPostgres = (count: number) =>
  Effect.gen(function* () {
    const { sql, version } = yield* postgres;
    yield* peerDoes(
      () => sql`CREATE TABLE http_events (thread text NOT NULL, id text PRIMARY KEY, data text NOT NULL)`,
    );
    const server = yield* childProgram(postgresServer, [String(sql.options.port[0]), String(connections)]);
    const theirs = yield* httpClients(server, "", count);
    const door = yield* daemonDoor;
    const clients = yield* door.clients(count);
    const taken = yield* inTurns({
      rounds,
      ours: (round) => each(count, ourTurns, appending(clients, round)),
      peer: (round) => each(count, ourTurns, appending(theirs, round)),
    });
    const note = `${connections} connections; node:http and the client \`postgres\``;
    return { ...taken, peerName: `a small HTTP server on PostgreSQL ${version}, an insert each`, note };
  }).pipe(Effect.catchTag("PeerMissing", asSkipped), Effect.orDie);

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

const besidePostgres = (count: number): Row => ({
  id: `http-append-${count}-postgres`,
  what: `durable appends over HTTP, ${count} clients, a thread each`,
  unit: "events/s",
  goal: undefined,
  run: againstPostgres(count),
});

export const rows: ReadonlyArray<Row> = [alone, row(64), row(256), besidePostgres(64), besidePostgres(256)];
