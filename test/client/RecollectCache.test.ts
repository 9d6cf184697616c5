import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as fs from "node:fs";
import { join, resolve } from "node:path";
import { Recollect } from "recollect";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as World from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";

/** Changed longer ago than a moment. */
const license = resolve(import.meta.dirname, "../../LICENSE");

/** Asks until the answer is so: what is shared is shared behind the answers. */
const until = async <A>(ask: () => Promise<A>, isSo: (found: A) => boolean): Promise<A> => {
  for (;;) {
    const found = await ask();
    if (isSo(found)) return found;
    await new Promise((wake) => setTimeout(wake, 5));
  }
};

layer(Layer.provideMerge(World.natsLog, NatsServer.layer()), { excludeTestServices: true })(
  "the caches as promises",
  (it) => {
    it.effect("give what another process read, say which thread read it, and forget everywhere", () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        yield* Effect.promise(async () => {
          await using one = await Recollect.connect({ data, url, patienceMillis: 10_000 });
          await using two = await Recollect.connect({ data, url });
          const bytes = fs.readFileSync(license);
          const { sha256 } = await one.files.read(license, { thread: "reader", callId: "c" });
          // Sharing is tried once, and given up on a machine that is busy beyond measure.
          const found = await until(
            async () => {
              await one.files.forget({ path: license });
              await one.files.read(license);
              return two.files.content(sha256);
            },
            (content) => content !== undefined,
          );
          assert.isTrue(bytes.equals(found ?? new Uint8Array()));
          assert.isTrue(bytes.equals((await two.files.read(license)).bytes));
          assert.strictEqual((await two.files.read(license)).from, "process");
          assert.isTrue(
            await until(
              () => one.files.forget("all"),
              (told) => told,
            ),
          );
          await until(
            () => two.files.read(license),
            ({ from }) => from === "disk",
          );
          const missing = await two.files.read(join(data, "nothing")).catch((error: unknown) => error);
          assert.deepInclude(missing, { _tag: "FileMissing" });

          let asked = 0;
          const ask = (cache: Recollect, thread?: string) =>
            cache.responses.reuse({ kind: "tool", name: "t", request: { q: 1 }, thread }, async () => ({
              asked: ++asked,
            }));
          assert.deepStrictEqual((await ask(one)).value, { asked: 1 });
          const reused = await until(
            () => ask(two, "reuser"),
            ({ reusedFrom }) => reusedFrom !== undefined,
          );
          assert.deepStrictEqual(reused.value, { asked });
          const why = await one.responses
            .reuse({ kind: "tool", name: "t", request: 2 }, () => Promise.reject(new Error("no")))
            .catch((error: unknown) => error);
          assert.deepInclude(why, { message: "no" });
          assert.isAbove((await two.files.counts()).fromProcess, 0);

          const configured = () =>
            one.responses.reuse(
              { kind: "tool", name: "c", request: 1, allowedBy: "configuration" },
              async () => ++asked,
            );
          assert.notStrictEqual((await configured()).value, (await configured()).value);
          await two.config.set({ "cache.responses.tools.c": {} });
          await until(configured, ({ reusedFrom }) => reusedFrom === "process");
          await two.config.set({ "cache.responses.tools.c": undefined });
          await until(configured, ({ reusedFrom }) => reusedFrom === undefined);
        });
        const events = yield* World.eventsOf(History.thread("reader"));
        const last = events.at(-1);
        assert.strictEqual(last?.type, "thread.file_read");
        const { blob } = World.dataOf(last ?? events[0] ?? ({} as never)) as { blob: { sha256: string } };
        const content = yield* EventLog.use((log) => log.getBlob(blob.sha256));
        assert.isTrue(fs.readFileSync(license).equals(content ?? new Uint8Array()));
        const [reuse] = yield* World.eventsOf(History.thread("reuser"));
        assert.strictEqual(reuse?.type, "thread.response_reused");
      }),
    );

    it.effect("begin before their server, and share when it is there", () =>
      Effect.gen(function* () {
        const server = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        yield* server.stop;
        const { url } = server;
        const cache = yield* Effect.acquireRelease(
          Effect.promise(() => Recollect.connect({ data, url })),
          (open) => Effect.promise(() => open.close()),
        );
        assert.strictEqual((yield* Effect.promise(() => cache.files.read(license))).from, "disk");
        assert.isFalse(yield* Effect.promise(() => cache.files.forget({ path: license })));
        yield* server.start;
        yield* World.until(Effect.promise(() => cache.files.forget({ path: license })));
      }),
    );
  },
);
