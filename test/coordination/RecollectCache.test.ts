import { assert, layer } from "@effect/vitest";
import { Effect, Layer } from "effect";
import * as fs from "node:fs";
import { join, resolve } from "node:path";
import { RecollectCache, RecollectShared } from "recollect";
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
          await using one = await RecollectCache.connect({ data, url, patienceMillis: 10_000 });
          await using two = await RecollectCache.connect({ data, url });
          const bytes = fs.readFileSync(license);
          const { sha256 } = await one.readFile(license, { thread: "reader", callId: "c" });
          // Sharing is tried once, and given up on a machine that is busy beyond measure.
          const found = await until(
            async () => {
              await one.forgetFiles({ path: license });
              await one.readFile(license);
              return two.content(sha256);
            },
            (content) => content !== undefined,
          );
          assert.isTrue(bytes.equals(found ?? new Uint8Array()));
          assert.isTrue(bytes.equals((await two.readFile(license)).bytes));
          assert.strictEqual((await two.readFile(license)).from, "process");
          assert.isTrue(
            await until(
              () => one.forgetFiles("all"),
              (told) => told,
            ),
          );
          await until(
            () => two.readFile(license),
            ({ from }) => from === "disk",
          );
          const missing = await two.readFile(join(data, "nothing")).catch((error: unknown) => error);
          assert.deepInclude(missing, { _tag: "FileMissing" });

          let asked = 0;
          const ask = (cache: RecollectCache, thread?: string) =>
            cache.reuse({ kind: "tool", name: "t", request: { q: 1 }, thread }, async () => ({ asked: ++asked }));
          assert.deepStrictEqual((await ask(one)).value, { asked: 1 });
          const reused = await until(
            () => ask(two, "reuser"),
            ({ reusedFrom }) => reusedFrom !== undefined,
          );
          assert.deepStrictEqual(reused.value, { asked });
          const why = await one
            .reuse({ kind: "tool", name: "t", request: 2 }, () => Promise.reject(new Error("no")))
            .catch((error: unknown) => error);
          assert.deepInclude(why, { message: "no" });
          assert.isAbove((await two.counts()).files.fromProcess, 0);

          await using shared = await RecollectShared.connect({ url });
          const configured = () =>
            one.reuse({ kind: "tool", name: "c", request: 1, allowedBy: "configuration" }, async () => ++asked);
          assert.notStrictEqual((await configured()).value, (await configured()).value);
          await shared.set({ "cache.responses.tools.c": {} });
          await until(configured, ({ reusedFrom }) => reusedFrom === "process");
          await shared.set({ "cache.responses.tools.c": undefined });
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
          Effect.promise(() => RecollectCache.connect({ data, url })),
          (open) => Effect.promise(() => open.close()),
        );
        assert.strictEqual((yield* Effect.promise(() => cache.readFile(license))).from, "disk");
        assert.isFalse(yield* Effect.promise(() => cache.forgetFiles({ path: license })));
        yield* server.start;
        yield* World.until(Effect.promise(() => cache.forgetFiles({ path: license })));
      }),
    );
  },
);
