/** A command onto this machine's disk while the log is away. */
import Database from "better-sqlite3";
import { Effect } from "effect";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import { inPairs, type Row } from "../Harness.ts";
import { temporaryFolder } from "../Servers.ts";
import { conversations, eventOf, eventsPerThread } from "../Workload.ts";

const threads = 4;
const rounds = 7;

const run = Effect.gen(function* () {
  const folder = yield* temporaryFolder;
  const spool = yield* SpoolSqlite.make({ file: `${folder}/spool.db`, target: "bench" });
  const bare = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const database = new Database(`${folder}/bare.db`);
      database.pragma("journal_mode = WAL");
      database.pragma("synchronous = FULL");
      database.exec("CREATE TABLE commands (position INTEGER PRIMARY KEY, history TEXT, body TEXT) STRICT");
      return database;
    }),
    (database) => Effect.sync(() => database.close()),
  );
  const insert = bare.prepare("INSERT INTO commands (history, body) VALUES (?, ?)");

  const messagesOf = (round: number) =>
    conversations({ name: `spool-${round}`, count: threads, turns: eventsPerThread }).flatMap(({ history, spoken }) =>
      spoken.map((said) => ({ history, said })),
    );

  const ours = (round: number) =>
    messagesOf(round).map(({ history, said }) =>
      Effect.flatMap(eventOf(history, said), (event) => spool.put([{ history, event, blobs: [] }])),
    );

  const peer = (round: number) =>
    messagesOf(round).map(({ history, said }) => {
      const body = JSON.stringify(said);
      return () => Promise.resolve(insert.run(history.id, body));
    });

  const taken = yield* inPairs({ rounds, ours, peer });
  const note = "p50; ours begins with the message: Schema, id, codec";
  return { ...taken, peerName: "better-sqlite3 insert of the same body, synchronous=FULL", note };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "spool-put",
  what: "a command onto the disk while the log is away",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 5 },
  run,
};
