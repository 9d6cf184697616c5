import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { Recollect } from "recollect";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as SpoolDrainer from "../../src/publish/drain/SpoolDrainer.ts";
import { maxFileBytes } from "../../src/publish/thread/ThreadFiles.ts";
import * as NatsServer from "../support/NatsServer.ts";
import * as World from "./World.ts";

layer(Layer.provideMerge(World.natsLog, NatsServer.layer()), { excludeTestServices: true })(
  "a thread that reads files",
  (it) => {
    it.effect("names the version it saw, whose content stays when the file has changed and the server was away", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const versions = [Buffer.from([0, 255, 10]), "two", "two"];
        yield* Effect.promise(async () => {
          await using recollect = await Recollect.connect({ data, url: server.url, patienceMillis: 10_000 });
          const thread = recollect.thread("reader");
          const file = { path: "/src/a.ts", from: "disk", sha256: "not what it is", modifiedAt: 1.5, callId: "c" };
          for (const bytes of versions) await thread.fileRead({ ...file, bytes });
          const refusals = await Promise.all(
            [
              { path: "", bytes: "x" },
              { path: "/a".repeat(5_000), bytes: "x" },
              { path: "/a", bytes: new Uint8Array(maxFileBytes + 1) },
            ].map((given) => thread.fileRead(given).catch((error: unknown) => error)),
          );
          for (const refusal of refusals) assert.deepInclude(refusal, { _tag: "InvalidEvent" });
        });
        const events = yield* World.eventsOf(History.thread("reader"));
        assert.lengthOf(events, 3);
        for (const [at, event] of events.entries()) {
          const { blob, ...rest } = World.dataOf(event) as { blob: { sha256: string; bytes: number } };
          assert.deepStrictEqual(rest as unknown, { path: "/src/a.ts", modifiedAt: 1.5, callId: "c" });
          const content = yield* EventLog.use((log) => log.getBlob(blob.sha256));
          assert.isTrue(Buffer.from(content ?? []).equals(Buffer.from(versions[at] ?? "")));
          assert.strictEqual(blob.bytes, content?.length);
        }

        // With the log away both wait in the spool, and reach it together.
        yield* server.stop;
        yield* Effect.promise(async () => {
          await using recollect = await Recollect.connect({ data, url: server.url });
          const { _tag } = await recollect.thread("away").fileRead({ path: "/b", bytes: "spooled" });
          assert.strictEqual(_tag, "Spooled");
        });
        yield* server.start;
        const away = World.eventsOf(History.thread("away"));
        yield* World.until(Effect.map(away, ({ length }) => length === 1)).pipe(
          Effect.provide(SpoolDrainer.layer({ file: `${data}/spool.db`, url: server.url })),
        );
        const [spooled] = yield* away;
        assert.isDefined(spooled);
        if (spooled === undefined) return;
        const { blob } = World.dataOf(spooled) as { blob: { sha256: string } };
        const content = yield* EventLog.use((log) => log.getBlob(blob.sha256));
        assert.strictEqual(Buffer.from(content ?? []).toString(), "spooled");
      }),
    );
  },
);
