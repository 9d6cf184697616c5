import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { Recollect, type Target, type WatchedElement } from "recollect";
import * as PublishWorld from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

layer(NatsServer.layer({ stream: true }), { excludeTestServices: true })("watching as promises", (it) => {
  it.effect("gives what was said and then what is said, to several loops, until they are left", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* PublishWorld.temporaryFolder;
      yield* Effect.promise(async () => {
        // What waits for a log that is slow for a moment would be said after what the watchers call history.
        await using recollect = await Recollect.connect({ url, data, patienceMillis: 10_000 });
        const thread = recollect.thread("t");
        await thread.say({ role: "user", text: "before" });
        await recollect.flush();
        const watch = async (target: Target) => {
          const seen: Array<WatchedElement> = [];
          for await (const one of recollect.watch(target)) {
            seen.push(one);
            if (one._tag === "CaughtUp") caughtUp();
            if (one._tag === "Event" && JSON.stringify(one.event.data).includes("after")) break;
          }
          return seen.map((one) => (one._tag === "Event" ? one.event.type : one._tag));
        };
        let waiting = 2;
        let caughtUp = () => undefined as void;
        const both = new Promise<void>((resolve) => (caughtUp = () => (--waiting === 0 ? resolve() : undefined)));
        const loops = [watch({ thread: "t" }), watch("all")];
        await both;
        await recollect.thread("another").say({ role: "user", text: "elsewhere" });
        await thread.say({ role: "user", text: "after" });
        const said = "thread.message_appended";
        assert.deepStrictEqual(await Promise.all(loops), [
          [said, "CaughtUp", said],
          [said, "CaughtUp", said, said],
        ]);
      });
    }),
  );

  it.effect("ends its loops when it is closed, one that waits for a server too", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const data = yield* PublishWorld.temporaryFolder;
      yield* Effect.promise(async () => {
        for (const at of [url, "nats://127.0.0.1:1"]) {
          const live = await Recollect.connect({ url: at, data });
          const began = live.watch("all")[Symbol.asyncIterator]().next();
          const loop = (async () => {
            for await (const one of live.watch({ thread: "quiet" })) void one;
          })();
          if (at === url) await began;
          await live.close();
          await loop;
        }
      });
    }),
  );
});
