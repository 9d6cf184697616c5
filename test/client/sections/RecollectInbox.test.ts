import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { Recollect } from "recollect";
import * as PublishWorld from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("inboxes as promises", (it) => {
  it.effect("take a message, and a request that gets its reply from another program", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const folders = [yield* PublishWorld.temporaryFolder, yield* PublishWorld.temporaryFolder] as const;
      yield* Effect.promise(async () => {
        await using one = await Recollect.connect({ url, data: folders[0] });
        await using other = await Recollect.connect({ url, data: folders[1] });
        const end = new AbortController();
        const told: Array<unknown> = [];
        const received = other.inbox.receive({
          name: "worker",
          signal: end.signal,
          handle: async ({ body, isRequest }, reply) => {
            told.push(body);
            if (isRequest) await reply({ seen: told.length });
          },
        });
        await one.inbox.send({ from: "boss", to: "worker", body: "hello" });
        const { body } = await one.inbox.request({ from: "boss", to: "worker", body: "how many?" });
        assert.deepStrictEqual([body, told], [{ seen: 2 }, ["hello", "how many?"]]);
        const refused = await one.inbox.send({ from: "boss", to: "", body: 1 }).catch((error: unknown) => error);
        assert.strictEqual((refused as { readonly _tag: string })._tag, "InboxRefused");
        const unnamed = other.inbox.receive({ name: "", signal: end.signal, handle: async () => undefined });
        assert.strictEqual(await unnamed.catch((error: { readonly _tag: string }) => error._tag), "InboxRefused");
        end.abort();
        await received;
      });
    }),
  );
});
