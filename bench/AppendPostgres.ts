/** Durable appends of many writers at once, a thread each, against PostgreSQL with a unique (stream, position). */
import { Context, Effect } from "effect";
import { EventLog } from "../src/log/EventLog.ts";
import { inTurns, type Row } from "./Harness.ts";
import { appendInto, madeThreads, textsOf, together } from "./ManyWriters.ts";
import { connections, postgres } from "./peers/Postgres.ts";
import { asSkipped } from "./peers/PeerProgram.ts";
import { peerDoes } from "./peers/PeerWork.ts";
import { world } from "./Servers.ts";

const rounds = 5;

const measure = Effect.fnUntraced(
  function* (writers: number, turns: number) {
    const { sql, version } = yield* postgres;
    const { rooms } = yield* world();
    const append = appendInto(Context.get(rooms, EventLog));
    yield* peerDoes(
      () => sql`CREATE TABLE events (
        stream text NOT NULL, position bigint NOT NULL, id uuid NOT NULL, body text NOT NULL,
        PRIMARY KEY (stream, position))`,
    );

    const ours = Effect.fnUntraced(function* (round: number) {
      return yield* together(yield* madeThreads({ name: `many-${round}`, writers, turns }), append);
    });

    const peer = Effect.fnUntraced(function* (round: number) {
      const threads = yield* madeThreads({ name: `many-${round}`, writers, turns });
      const texts = new Map(threads.map((thread) => [thread.history.id, textsOf(thread)]));
      return yield* together(threads, ({ events, history }) =>
        peerDoes(async () => {
          const bodies = texts.get(history.id) ?? [];
          for (const [index, { id }] of events.entries()) {
            await sql`INSERT INTO events VALUES (${history.id}, ${index + 1}, ${id}, ${bodies[index] ?? ""})`;
          }
        }),
      );
    });

    const taken = yield* inTurns({ rounds, ours, peer });
    const note = `${connections} connections; its unique (stream, position) is its only index, so the kindest table`;
    return { ...taken, peerName: `PostgreSQL ${version}, insert, fsync and synchronous_commit on`, note };
  },
  Effect.catchTag("PeerMissing", asSkipped),
  Effect.orDie,
);

/** A row for so many writers, each of which appends `turns` events. */
export const againstPostgres = (writers: number, turns: number): Row => ({
  id: `append-${writers}-postgres`,
  what: `durable appends, ${writers.toLocaleString("en-US")} writers, a thread each`,
  unit: "events/s",
  goal: { of: "ratio", is: "at least", limit: 3 },
  run: measure(writers, turns),
});
