import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { randomUUID } from "node:crypto";
import { session } from "../../../src/edge/sdk/openai-agents.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { client, rejected } from "./SdkWorld.ts";

const user = (text: string) => ({ type: "message", role: "user", content: text });
const answer = (text: string, id: string) => ({
  id,
  type: "message",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text }],
});
const call = (callId: string, city: string) => ({
  type: "function_call",
  callId,
  name: "forecast",
  status: "completed",
  arguments: JSON.stringify({ city }),
});
const result = (callId: string, text: string) => ({
  type: "function_call_result",
  callId,
  name: "forecast",
  status: "completed",
  output: { type: "text", text },
});

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the OpenAI Agents SDK's Session", (it) => {
  it.effect("keeps the contract of the SDK's interface, and its items are messages and calls of a thread", () =>
    Effect.gen(function* () {
      const recollect = yield* client;
      const id = randomUUID();
      yield* Effect.promise(async () => {
        const one = session<unknown>(recollect, id);
        assert.strictEqual(await one.getSessionId(), id);
        assert.deepStrictEqual(await one.getItems(), []);
        assert.isUndefined(await one.popItem());
        await one.addItems([]);
        const items = [user("Rain?"), call("c1", "Ghent"), result("c1", "yes"), answer("Yes.", "msg_1")];
        await one.addItems(items.slice(0, 1));
        await one.addItems(items.slice(1));
        assert.deepStrictEqual(await one.getItems(), items);
        assert.deepStrictEqual(await one.getItems(2), items.slice(2));
        assert.deepStrictEqual(await one.getItems(0), []);
        assert.deepStrictEqual(await one.popItem(), items[3]);
        assert.deepStrictEqual(await session(recollect, id).getItems(), items.slice(0, 3));
        await one.addItems([answer("No.", "msg_2"), { type: "unknown", bytes: new Uint8Array([0, 255]) }]);
        assert.deepStrictEqual(await one.getItems(1), [{ type: "unknown", bytes: new Uint8Array([0, 255]) }]);
        await one.applyHistoryMutations({
          mutations: [{ type: "replace_function_call", callId: "c1", replacement: call("c1", "Bruges") }],
        });
        assert.deepStrictEqual((await one.getItems())[1], call("c1", "Bruges"));
        const kept = await one.getItems(2);
        await one.replaceHistoryWithCompaction([{ type: "compaction", encrypted_content: "…" }, ...kept]);
        assert.deepStrictEqual(await one.getItems(), [{ type: "compaction", encrypted_content: "…" }, ...kept]);
        const large = user("x".repeat(900_000));
        await one.addItems([large, large]);
        assert.deepStrictEqual(await one.getItems(1), [large]);
        await one.clearSession();
        assert.deepStrictEqual(await one.getItems(), []);
        const view = await recollect.thread(id).read();
        assert.deepStrictEqual(
          view?.messages.map(({ role, text }) => [role, text.length > 99 ? "" : text]).slice(0, 3),
          [
            ["user", "Rain?"],
            ["assistant", "Yes."],
            ["assistant", "No."],
          ],
          "what was popped and cleared stays said, and nothing is said twice",
        );
      });
    }),
  );

  it.effect("applies a transaction once, whichever process repeats it, and refuses what no longer holds", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* client, yield* client];
      const id = randomUUID();
      yield* Effect.promise(async () => {
        const [one, two] = [session<unknown>(first, id), session<unknown>(second, id)];
        const append = {
          operationId: "op-1",
          transaction: { type: "append_items", items: [user("1"), user("2")] },
        } as const;
        const again = {
          transaction: { items: [user("1"), user("2")], type: "append_items" },
          operationId: "op-1",
        } as const;
        const mutable = (args: unknown) => args as Parameters<typeof one.applyHistoryTransaction>[0];
        await Promise.all([one.applyHistoryTransaction(mutable(append)), two.applyHistoryTransaction(mutable(again))]);
        assert.deepStrictEqual(await one.getItems(), [user("1"), user("2")]);
        const replace = (operationId: string, expectedSuffix: unknown, replacement: unknown) =>
          mutable({ operationId, transaction: { type: "replace_suffix", expectedSuffix, replacement } });
        const won = await Promise.allSettled([
          one.applyHistoryTransaction(replace("op-2", [user("2")], [user("2"), user("from one")])),
          two.applyHistoryTransaction(replace("op-3", [user("2")], [user("2"), user("from two")])),
        ]);
        assert.deepStrictEqual(won.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
        const items = await one.getItems();
        assert.lengthOf(items, 3);
        assert.deepStrictEqual(await two.getItems(), items);
        for (const refused of [
          await rejected(one.applyHistoryTransaction(replace("op-1", [], []))),
          await rejected(two.applyHistoryTransaction(replace("op-4", [user("2")], []))),
          await rejected(two.applyHistoryTransaction(replace("op-5", [user("0"), ...items], []))),
        ])
          assert.deepInclude(refused, { _tag: "SdkRefused", code: "Conflict" });
        assert.deepInclude(await rejected(one.applyHistoryTransaction(replace(" ", [], []))), { code: "Invalid" });
        assert.deepStrictEqual(await one.getItems(), items);
        await one.clearSession();
        await two.applyHistoryTransaction(mutable(append));
        assert.lengthOf(await one.getItems(), 2, "a cleared session has no operations");
        const view = await first.thread(id).read();
        assert.deepStrictEqual(
          view?.messages.filter(({ text }) => text === "2").length,
          2,
          "what a suffix kept is not said again; what was added after the clearing is",
        );
      });
    }),
  );

  it.effect("loses nothing of two processes that add at once, and keeps items here while the log is away", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const [one, two] = [session<unknown>(yield* client, "shared"), session<unknown>(yield* client, "shared")];
      const names = Array.from({ length: 20 }, (_, at) => at);
      yield* Effect.promise(() =>
        Promise.all(
          names.flatMap((at) => [one.addItems([user(`1 ${at}`)]), two.addItems([user(`2 ${at}`), user(`2 ${at}!`)])]),
        ),
      );
      const all = yield* Effect.promise(() => one.getItems());
      assert.deepStrictEqual(
        all.filter((item) => JSON.stringify(item).includes('"1 ')),
        names.map((at) => user(`1 ${at}`)),
      );
      assert.lengthOf(all, 60);
      yield* server.stop;
      yield* Effect.promise(() => one.addItems([user("away")]));
      assert.deepInclude((yield* Effect.flip(Effect.tryPromise(() => one.getItems()))).cause, {
        code: "LogUnavailable",
      });
      yield* server.start;
      const isThere = Effect.tryPromise(() => two.getItems(1)).pipe(
        Effect.map(([last]) => JSON.stringify(last) === JSON.stringify(user("away"))),
        Effect.orElseSucceed(() => false),
      );
      yield* World.until(isThere);
    }),
  );
});
