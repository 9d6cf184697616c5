import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { randomUUID } from "node:crypto";
import { taskStore } from "../../../src/edge/sdk/a2a.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { client } from "./SdkWorld.ts";

const message = (messageId: string, role: number, text: string) => ({
  messageId,
  role,
  parts: [{ content: { $case: "text", value: text } }],
});
const status = (state: number, said?: ReturnType<typeof message>) => ({
  state,
  timestamp: new Date(1_796_000_000_000 + state).toISOString(),
  ...(said === undefined ? {} : { message: said }),
});

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("the A2A SDK's TaskStore", (it) => {
  it.effect("keeps a task whole at the price of what is new, as a task and as messages of its context", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* client, yield* client];
      yield* Effect.promise(async () => {
        const [ana, bob] = [{ user: { userName: "ana" } }, { user: { userName: "bob" }, tenant: "t" }];
        const store = taskStore(one);
        const [id, contextId] = [randomUUID(), randomUUID()];
        const raw = { content: { $case: "raw", value: Buffer.from([0, 255]) } };
        const asked = message("m1", 1, "Rain?");
        const chunks = (count: number) => [
          { artifactId: "a", name: "", parts: Array.from({ length: count }, () => raw) },
        ];
        const steps = [
          { id, contextId, status: status(1), history: [asked] },
          ...[1, 2, 3, 4].map((count) => ({
            id,
            contextId,
            status: status(2),
            history: [asked],
            artifacts: chunks(count),
          })),
          { id, contextId, status: status(3), history: [asked, message("m2", 2, "Yes.")], artifacts: chunks(4) },
        ];
        for (const task of steps) await store.save(task, ana);
        await store.save(steps[5] ?? steps[0] ?? { id, contextId }, ana);
        const loaded = await taskStore<(typeof steps)[number]>(two).load(id, ana);
        assert.deepStrictEqual(loaded, steps[5]);
        assert.isUndefined(await store.load(id, bob), "another user does not see it");
        assert.isUndefined(await store.load(id));
        assert.deepStrictEqual((await store.list({ contextId, includeArtifacts: true }, ana)).tasks, [
          steps[5],
        ] as Array<object>);
        const thread = `a2a//ana/${contextId}`;
        const events = (await one.history({ thread }).read()).filter(({ type }) => type === "thread.entry_recorded");
        assert.lengthOf(events, 6, "what is saved again as it is, is not written");
        assert.notInclude(JSON.stringify(events[4]?.data), "Rain?");
        const view = await one.thread(thread).read();
        assert.deepStrictEqual(
          view?.messages.map(({ role, text }) => [role, text]),
          [
            ["user", "Rain?"],
            ["assistant", ""],
            ["assistant", "Yes."],
          ],
        );
        assert.deepInclude(await one.tasks.show(`a2a//ana/${id}`), { status: "completed" });
      });
    }),
  );

  it.effect("of two servers that save one task at once the later holds, and none is torn", () =>
    Effect.gen(function* () {
      const stores = [taskStore(yield* client), taskStore(yield* client)];
      yield* Effect.promise(async () => {
        const [id, contextId] = [randomUUID(), "shared"];
        const forms = Array.from({ length: 10 }, (_, at) => ({
          id,
          contextId,
          status: status(2),
          metadata: { at, list: Array(at).fill(at) },
        }));
        await Promise.all(forms.map((form, at) => stores[at % 2]?.save(form)));
        const [one, two] = await Promise.all(stores.map((store) => store.load(id)));
        assert.deepStrictEqual(one, two);
        assert.isTrue(forms.some((form) => JSON.stringify(form) === JSON.stringify(one)));
        const page = await stores[0]?.list({ pageSize: 1, contextId });
        assert.deepInclude(page, { totalSize: 1, nextPageToken: "" });
      });
    }),
  );
});
