/** Durable appends of many writers at once, a thread each, against PostgreSQL with a unique (stream, position). */
import { Context, Effect } from "effect";
import { EventLog } from "../src/log/EventLog.ts";
import { inTurns, type Row } from "./Harness.ts";
import { connections, postgres } from "./peers/Postgres.ts";
import { asSkipped } from "./peers/PeerProgram.ts";
import { peerDoes } from "./peers/PeerWork.ts";
import { world } from "./Servers.ts";
import { appendAtOnce, publishAtOnce, textOf, type Turn, writers } from "./Writers.ts";

const rounds = 5;

const measure = Effect.fnUntraced(
  function* (count: number, turns: number) {
    const { sql, version } = yield* postgres;
    const { rooms } = yield* world();
    const log = Context.get(rooms, EventLog);
    const made = writers(count, turns);
    yield* peerDoes(
      () => sql`CREATE TABLE events (
        stream text NOT NULL, position bigint NOT NULL, id uuid NOT NULL, body text NOT NULL,
        PRIMARY KEY (stream, position))`,
    );
    const insert = ({ event, history, position }: Turn) =>
      sql`INSERT INTO events VALUES (${history.id}, ${position}, ${event.id}, ${textOf(event)})`;

    const taken = yield* inTurns({
      rounds,
      ours: (round) => Effect.flatMap(made(`many-${round}`), (threads) => appendAtOnce(log, threads)),
      peer: (round) => Effect.flatMap(made(`many-${round}`), (threads) => publishAtOnce(insert, threads)),
    });
    const note = `${connections} connections; its unique (stream, position) is its only index, so the kindest table`;
    return { ...taken, peerName: `PostgreSQL ${version}, insert, fsync and synchronous_commit on`, note };
  },
  Effect.catchTag("PeerMissing", asSkipped),
  Effect.orDie,
);

/** A row for so many writers, each of which appends `turns` events. */
export const againstPostgres = (count: number, turns: number): Row => ({
  id: `append-${count}-postgres`,
  what: `durable appends, ${count.toLocaleString("en-US")} writers, a thread each`,
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 3 },
  run: measure(count, turns),
});
