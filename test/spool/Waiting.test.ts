import { assert, describe, it } from "@effect/vitest";
import type { NewEvent } from "../../src/domain/Event.ts";
import * as History from "../../src/domain/History.ts";
import * as Thread from "../../src/domain/thread/Thread.ts";
import { partsOf } from "../../src/domain/thread/ThreadMessage.ts";
import * as Waiting from "../../src/spool/Waiting.ts";

const history = History.thread("t");

const said = (id: string): NewEvent => ({
  id,
  type: "thread.message_appended",
  schemaVersion: 2,
  occurredAt: 1,
  source: "test",
  body: JSON.stringify({ messageId: id, role: "user", parts: [{ type: "text", text: id }] }),
});

const commands = (...ids: ReadonlyArray<string>) => ids.map((id) => ({ history, event: said(id), blobs: [] }));

const textsOf = (state: Thread.ThreadState) =>
  state.window.messages.map((message) =>
    partsOf(message)
      .map((part) => ("text" in part ? part.text : ""))
      .join(""),
  );

describe("a thread with what waits for it", () => {
  const known = Thread.fold(Thread.empty(history), Waiting.asRecorded(commands("a", "b"), 40));

  it("shows what waits behind what the log is known to have", () => {
    const state = Waiting.onto(known, commands("c", "d"));
    assert.deepStrictEqual(textsOf(state), ["a", "b", "c", "d"]);
    assert.strictEqual(state.counters.events, 4);
  });

  it("does not show twice what was delivered just before the log was read", () => {
    const state = Waiting.onto(known, commands("a", "b", "c"));
    assert.deepStrictEqual(textsOf(state), ["a", "b", "c"]);
    assert.strictEqual(state.counters.events, 3);
  });

  it("is that of nothing but what waits when the log is not known at all", () => {
    assert.deepStrictEqual(textsOf(Waiting.onto(Thread.empty(history), commands("a"))), ["a"]);
  });
});
