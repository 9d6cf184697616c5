import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { Recollect } from "recollect";
import * as PublishWorld from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("sessions as promises", (it) => {
  it.effect("are registered, seen by another program, joined, and ended", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const folders = [yield* PublishWorld.temporaryFolder, yield* PublishWorld.temporaryFolder] as const;
      yield* Effect.promise(async () => {
        await using one = await Recollect.connect({ url, data: folders[0], client: "one" });
        await using other = await Recollect.connect({ url, data: folders[1], client: "other" });
        const session = await one.sessions.register({ client: { name: "one", version: "1" } });
        await session.join({ thread: "t" });
        const [seen, ...rest] = await other.sessions.active();
        assert.lengthOf(rest, 0);
        assert.deepInclude(seen, { sessionId: session.id, threads: ["t"], processId: process.pid });
        const refused = await other.sessions.register({ id: session.id }).catch((error: unknown) => error);
        assert.strictEqual((refused as { readonly _tag: string })._tag, "SessionRefused");
        await session.end("exit", { exitCode: 0 });
        await session.end("again");
        assert.deepStrictEqual(await other.sessions.active(), []);
        await other.sessions.register();
        assert.lengthOf(await one.sessions.active(), 1);
      });
    }),
  );
});
