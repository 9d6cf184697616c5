import { assert, layer } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer } from "effect";
import { NoDatabase, QueryRefused, Recollect } from "recollect";
import { readModels } from "../../../projections/all.ts";
import * as DataFolder from "../../../src/machine/DataFolder.ts";
import * as FolderLock from "../../../src/machine/FolderLockSqlite.ts";
import * as Instance from "../../../src/machine/Instance.ts";
import * as Projector from "../../../src/projection/Projector.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import * as World from "../../publish/World.ts";

const world = Layer.provideMerge(World.natsLog, NatsServer.layer());

/** The data folder of an instance that runs in this process: its address, and `project` to begin its projector. */
const instance = Effect.gen(function* () {
  const { url: nats } = yield* NatsServer.NatsServer;
  const data = yield* World.temporaryFolder;
  const path = `${data}/recollect.db`;
  yield* Effect.gen(function* () {
    yield* FolderLock.acquire();
    yield* Instance.publish({ pid: process.pid, nats, database: path, startedAt: Date.now(), version: "0.0.0" });
  }).pipe(Effect.provide(Layer.provideMerge(DataFolder.layer({ data }), NodeServices.layer)));
  return { data, path, project: Projector.make({ path, projections: readModels }) };
});

const connect = (options: Parameters<typeof Recollect.connect>[0]) =>
  Effect.acquireRelease(
    Effect.promise(() => Recollect.connect({ patienceMillis: 10_000, ...options })),
    (recollect) => Effect.promise(() => recollect.close()),
  );

layer(world, { excludeTestServices: true })("lists and SQL as promises", (it) => {
  it.effect("hold what this program has just appended, by kind, prefix, tag and page, and say whether they do", () =>
    Effect.gen(function* () {
      const { data, project } = yield* instance;
      const recollect = yield* connect({ data });
      const acme = yield* connect({ data, tenant: "acme" });
      yield* Effect.promise(() => recollect.connected());
      yield* project;
      yield* Effect.promise(async () => {
        for (const id of ["a/1", "a/2", "a/3", "b/1"]) await recollect.thread(id).say({ role: "user", text: id });
        await recollect.thread("a/2").tag({ add: ["red", "blue"] });
        await recollect.thread("a/3").delete();
        await recollect.history({ thread: "a/4" }).append([{ type: "x.test.state", data: { n: 1 } }]);
        const task = recollect.task("t1");
        await task.submitted({ agentType: "coder", description: "do it" });
        await recollect.session({ transport: "stdio" });
        // A tenant that is not said is the client's own, also where a program names it with nothing.
        assert.lengthOf((await acme.list({ tenant: undefined })).histories, 0);
        const first = await recollect.list({ prefix: "a/", limit: 2 });
        assert.isTrue(first.isCurrent);
        const second = await recollect.list({ prefix: "a/", limit: 2, cursor: first.next });
        const ids = [...first.histories, ...second.histories].map(({ id }) => id);
        assert.deepStrictEqual(ids, ["a/4", "a/2", "a/1"]);
        assert.isUndefined(second.next);
        const [tagged] = (await recollect.list({ tag: "red" })).histories;
        assert.deepInclude(tagged, { kind: "thread", id: "a/2", title: "a/2", tags: ["blue", "red"] });
        const [listed] = (await recollect.list({ kind: "task" })).histories;
        assert.deepInclude(listed, { kind: "task", id: "t1", title: "do it", tags: [] });
        assert.lengthOf((await recollect.list({ kind: "session" })).histories, 1);
        assert.lengthOf((await recollect.list({ since: Date.now() + 3_600_000 })).histories, 0);
        const counted = await recollect.sql("SELECT count(*) AS n FROM v_messages WHERE thread_id = ?", ["a/1"]);
        assert.deepStrictEqual(counted, [{ n: 1 }]);
        const named = await recollect.sql("SELECT :word AS word", { word: "é" });
        assert.deepStrictEqual(named, [{ word: "é" }]);
        for (const wrong of ["DELETE FROM threads", "SELECT ?"]) {
          assert.instanceOf(await recollect.sql(wrong).catch((error: unknown) => error), QueryRefused);
        }
        const both = await recollect.sql("SELECT 1 AS n, 2 AS n");
        assert.deepStrictEqual(both, [{ n: 1, n_2: 2 }]);
        assert.instanceOf(await recollect.list({ cursor: "x" }).catch((error: unknown) => error), QueryRefused);
      });
    }),
  );

  it.effect("are given as they are, and not said to be current, while the projector does not follow", () =>
    Effect.gen(function* () {
      const { data, project } = yield* instance;
      const recollect = yield* connect({ data });
      yield* Effect.promise(() => recollect.connected());
      const before = yield* Effect.promise(() => recollect.list().catch((error: unknown) => error));
      assert.deepInclude(before, { _tag: "StorageTrouble" });
      yield* Effect.scoped(Effect.flatMap(project, (projector) => projector.awaitSequence(1)));
      const page = yield* Effect.promise(async () => {
        await recollect.thread("late").say({ role: "user", text: "late" });
        return recollect.list({ prefix: "late" });
      });
      assert.deepStrictEqual(page, { histories: [], next: undefined, isCurrent: false });
    }),
  );

  it.effect("are refused with a hint where the database of the log is on another machine", () =>
    Effect.gen(function* () {
      const { url } = yield* NatsServer.NatsServer;
      const recollect = yield* connect({ data: yield* World.temporaryFolder, url });
      for (const ask of [() => recollect.list(), () => recollect.sql("SELECT 1")]) {
        const refused = yield* Effect.promise(() => ask().catch((error: unknown) => error));
        assert.instanceOf(refused, NoDatabase);
        assert.match(refused.hint, /recollect up/);
      }
    }),
  );
});
