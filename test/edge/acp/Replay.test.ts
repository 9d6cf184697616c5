import { assert, layer } from "@effect/vitest";
import { Effect, Stream } from "effect";
import { fromContent } from "../../../src/domain/EventId.ts";
import * as History from "../../../src/domain/History.ts";
import * as Sessions from "../../../src/edge/acp/Sessions.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import { Projector } from "../../../src/projection/Projector.ts";
import { store } from "../../support/Imported.ts";

/** More than one page of the read models. */
const many = 1_500;

layer(store, { excludeTestServices: true })("a session that is told again", (it) => {
  it.effect("has every call of a thread that has more calls than a page, and few messages", () =>
    Effect.gen(function* () {
      const log = yield* EventLog;
      const event = (type: string, data: object) => {
        const body = JSON.stringify(data);
        return { id: fromContent("told", body), type, schemaVersion: 1, occurredAt: 1e12, source: "test", body };
      };
      const said = event("thread.message_appended", { messageId: "m", role: "user", content: "Measure all." });
      const called = (at: number) =>
        event("thread.tool_called", { callId: `c${at}`, name: "measure", arguments: { at } });
      const history = History.thread("measured");
      yield* log.append({ history, events: [said], expected: "any" });
      for (let at = 0; at < many; at += 500)
        yield* log.append({
          history,
          events: Array.from({ length: 500 }, (_, more) => called(at + more)),
          expected: "any",
        });
      const { lastSequence } = yield* log.info;
      yield* Effect.flatMap(Projector, (projector) => projector.awaitSequence(lastSequence));
      const thread = yield* Sessions.threadOf("measured", "default");
      const told = yield* Stream.runCollect(Sessions.replay(thread));
      const kinds = Map.groupBy(told, ({ sessionUpdate }) => sessionUpdate);
      assert.strictEqual(kinds.get("tool_call")?.length, many);
      assert.strictEqual(kinds.get("user_message_chunk")?.length, 1);
    }),
  );
});
