/** What a growing thread takes: in the stream, in its snapshot, in SQL. */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Context, Effect, FileSystem, Layer } from "effect";
import { thread } from "../src/domain/History.ts";
import { EventLog } from "../src/log/EventLog.ts";
import { folding } from "../src/main/Folding.ts";
import { reading } from "../src/main/Layers.ts";
import * as Projector from "../src/projection/Projector.ts";
import { compose } from "../src/publish/write/NewEvent.ts";
import { SnapshotStore } from "../src/snapshot/SnapshotStore.ts";
import * as Snapshotter from "../src/snapshot/Snapshotter.ts";
import * as NatsServer from "./support/NatsServer.ts";
import { writing } from "./support/writing.ts";

const history = thread("long");
const perAppend = 250;

/** About 1.4 KB, the median of an agent's events; no two are alike. */
const textOf = (n: number): string =>
  Array.from({ length: 200 }, (_, at) => ((n * 7919 + at * 104729) % 99991).toString(36)).join(" ");

const eventOf = (n: number) =>
  compose(
    {
      history,
      type: "thread.message_appended",
      data: {
        messageId: `m${n}`,
        role: n % 2 === 0 ? "user" : "assistant",
        parts: [{ type: "text", text: textOf(n) }],
      },
    },
    writing("test"),
  ).pipe(Effect.map(({ event }) => event));

/** Pages in use, the full-text index apart. */
const sqlBytes = (path: string): number => {
  const db = new Database(path, { readonly: true });
  try {
    return Number(db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name NOT GLOB '*_fts*'").pluck().get());
  } finally {
    db.close();
  }
};

describe("a thread of 2,000 messages", () => {
  it.live("takes twice what its first 1,000 took, and its snapshot no more", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const database = `${yield* fs.makeTempDirectoryScoped({ prefix: "recollect-bytes-" })}/recollect.db`;
      const { url } = yield* NatsServer.make({ sync: "2m" });
      const rooms = yield* Layer.build(Layer.provideMerge(folding(database), reading({ servers: url })));
      const log = Context.get(rooms, EventLog);
      const snapshotter = Context.get(rooms, Snapshotter.Snapshotter);
      // It begins at the end of the log: what is appended before that has no snapshot until somebody reads it.
      yield* Effect.repeat(snapshotter.status, { until: ({ followed }) => followed !== undefined });
      let expected = 0;
      let payload = 0;

      const grow = Effect.fnUntraced(function* (from: number, to: number) {
        for (let at = from; at < to; at += perAppend) {
          const numbers = Array.from({ length: perAppend }, (_, index) => at + index);
          const events = yield* Effect.forEach(numbers, eventOf);
          for (const { body } of events) payload += Buffer.byteLength(body);
          expected = (yield* log.append({ history, events, expected })).sequence;
        }
        yield* Context.get(rooms, Projector.Projector).awaitSequence(expected);
        yield* snapshotter.flush;
        const { bytes: stream } = yield* log.info;
        const { bytes: snapshot } = yield* Context.get(rooms, SnapshotStore).info;
        return { stream, snapshot, sql: sqlBytes(database) };
      });

      const first = yield* grow(0, 1_000);
      const second = yield* grow(1_000, 2_000);
      assert.isAtMost(second.stream, 2.01 * first.stream);
      assert.isAtMost(second.sql, 2.05 * first.sql);
      assert.isAtMost(second.snapshot, 1.1 * first.snapshot);
      // Three copies: in the stream; in the ledger; the text that is searched.
      const around = second.stream + second.snapshot + second.sql - 3 * payload;
      assert.isAtMost(around / 2_000, 1_200);
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  );
});
