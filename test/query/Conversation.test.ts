import { assert, describe, it } from "@effect/vitest";
import Database from "better-sqlite3";
import { Effect } from "effect";
import { thread } from "../../src/domain/History.ts";
import { maxPage, type MessageFilter } from "../../src/query/Query.ts";
import * as Query from "../../src/query/QuerySqlite.ts";
import { event, said } from "../projection/StubLog.ts";
import { folded } from "../projection/World.ts";

/** Page by page to the end, as a reader of a long thread goes. */
const allPages = Effect.fnUntraced(function* <A extends { readonly sequence: number }, E>(
  ask: (filter: MessageFilter) => Effect.Effect<ReadonlyArray<A>, E>,
  limit: number,
) {
  const rows: Array<A> = [];
  for (let after = 0; ;) {
    const page = yield* ask({ threadId: "t1", after, limit });
    rows.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < limit) return rows;
    after = last.sequence;
  }
});

describe("a long conversation", () => {
  it.live("comes page by page without a message missing or twice, also where one event holds several", () =>
    Effect.gen(function* () {
      const count = maxPage + 250;
      const { file } = yield* folded(Array.from({ length: count }, (_, n) => said(n + 1, `word ${n}`)));
      // A format with several messages in an event, on both sides of where the page of 1,000 ends.
      const db = new Database(file);
      db.prepare("UPDATE messages SET sequence = ? WHERE sequence BETWEEN ? AND ?").run(
        maxPage,
        maxPage - 2,
        maxPage + 3,
      );
      db.close();
      const query = yield* Query.make({ path: file });
      const first = yield* query.messages({ threadId: "t1" });
      assert.lengthOf(first, maxPage + 3);
      for (const limit of [maxPage, 100]) {
        const seen = yield* allPages(query.messages, limit);
        assert.lengthOf(seen, count, `by ${limit}`);
        assert.strictEqual(new Set(seen.map(({ messageId }) => messageId)).size, count);
      }
    }),
  );

  it.live("is refused where a row of the ledger was changed that it is told from, and is never the changed text", () =>
    Effect.gen(function* () {
      const { file } = yield* folded([said(1, "one"), said(2, "two"), said(3, "three")]);
      const query = yield* Query.make({ path: file });
      assert.lengthOf(yield* query.messages({ threadId: "t1" }), 3);
      const db = new Database(file);
      db.prepare("UPDATE events SET data = replace(data, 'two', 'lie') WHERE sequence = 2").run();
      db.close();
      const error = yield* Effect.flip(query.messages({ threadId: "t1" }));
      assert.deepInclude(error, { _tag: "StorageTrouble", reason: "damaged" });
      assert.match(error.message, /sequence 2 was changed/);
      assert.lengthOf(yield* query.messages({ threadId: "t1", upToSequence: 1 }), 1);
    }),
  );

  it.live("keeps tenants apart, whose threads and messages may have the same ids", () =>
    Effect.gen(function* () {
      const entries = [
        event(1, "thread.message_appended", { messageId: "m", role: "user", parts: [{ type: "text", text: "ours" }] }),
        event(
          2,
          "thread.message_appended",
          { messageId: "m", role: "user", parts: [{ type: "text", text: "theirs" }] },
          { in: thread("t1", "other") },
        ),
      ];
      const { file } = yield* folded(entries);
      const query = yield* Query.make({ path: file });
      const texts = (tenant: string) =>
        Effect.map(query.messages({ threadId: "t1", tenant }), ([message]) => message?.parts.map(({ text }) => text));
      assert.deepStrictEqual(yield* texts("default"), ["ours"]);
      assert.deepStrictEqual(yield* texts("other"), ["theirs"]);
    }),
  );

  it.live("is shown as it was then: without later messages, later pieces and later results", () =>
    Effect.gen(function* () {
      // Claude Code writes one message as several lines.
      const piece = (sequence: number, uuid: string, text: string) =>
        event(sequence, "thread.entry_recorded", {
          format: "claude-code",
          entry: {
            type: "assistant",
            uuid,
            sessionId: "t1",
            requestId: "r",
            message: { id: "m", role: "assistant", content: [{ type: "text", text }] },
          },
        });
      const { file } = yield* folded([
        said(1, "question"),
        event(2, "thread.tool_called", { callId: "c", name: "Read", arguments: {} }),
        event(3, "thread.tool_returned", { callId: "c", outcome: "error", error: { type: "E", message: "no" } }),
        piece(4, "a", "first"),
        piece(5, "b", "second"),
      ]);
      const query = yield* Query.make({ path: file });
      const textsAt = (filter: Omit<MessageFilter, "threadId">) =>
        Effect.map(query.messages({ threadId: "t1", ...filter }), (rows) => rows.map(({ text }) => text));
      assert.deepStrictEqual(yield* textsAt({ upToSequence: 3 }), ["question"]);
      assert.deepStrictEqual(yield* textsAt({ upToSequence: 4 }), ["question", "first"]);
      assert.deepStrictEqual(yield* textsAt({ upToTime: 1_700_000_004_999 }), ["question", "first"]);
      assert.deepStrictEqual(yield* textsAt({ upToSequence: 0 }), []);
      const callsAt = (upToSequence: number) => query.toolCalls({ threadId: "t1", upToSequence });
      assert.lengthOf(yield* callsAt(1), 0);
      assert.deepInclude((yield* callsAt(2))[0], { outcome: "unknown", errorMessage: null, resultSequence: null });
      assert.deepInclude((yield* callsAt(3))[0], { toolName: "Read", outcome: "error", errorMessage: "no" });
      assert.lengthOf(yield* query.toolCalls({ threadId: "t1" }), 1);
    }),
  );
});
