import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, layer } from "@effect/vitest";
import { Effect, Exit, Fiber, FileSystem, Layer, Option, Scope } from "effect";
import * as DataFolder from "../../src/machine/DataFolder.ts";
import * as FolderLock from "../../src/machine/FolderLockSqlite.ts";
import * as Instance from "../../src/machine/Instance.ts";
import * as Child from "../support/Child.ts";

const temporaryFolder = Layer.effect(
  DataFolder.DataFolder,
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem;
    return yield* DataFolder.make({ data: yield* fs.makeTempDirectoryScoped() });
  }),
).pipe(Layer.provideMerge(NodeServices.layer));

const holdElsewhere = Effect.gen(function* () {
  const { root } = yield* DataFolder.DataFolder;
  return yield* Child.start({ file: "test/machine/children/holdFolder.ts", args: [root] });
});

const description = { nats: "nats://127.0.0.1:4222", database: "/d/recollect.db", startedAt: 1, version: "1.0.0" };

layer(temporaryFolder, { excludeTestServices: true })("the folder's lock", (it) => {
  it.effect("lets one process in and tells the other which one holds it", () =>
    Effect.gen(function* () {
      const child = yield* holdElsewhere;
      const error = yield* Effect.flip(FolderLock.acquire());
      if (error._tag !== "FolderHeld") return assert.fail(error.message);
      assert.strictEqual(error.holder, child.pid);
      assert.include(error.message, `Process ${child.pid} already uses`);
      assert.include(error.hint, "--data");
    }),
  );

  it.effect("is free as soon as its holder is killed", () =>
    Effect.gen(function* () {
      const child = yield* holdElsewhere;
      yield* child.kill();
      yield* FolderLock.acquire();
      const holder = yield* FolderLock.holder(yield* DataFolder.DataFolder);
      assert.deepStrictEqual(holder, Option.some(process.pid));
    }),
  );

  it.effect("is given back with the scope, and can be waited for", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make();
      yield* FolderLock.acquire().pipe(Scope.provide(scope));
      const second = yield* Effect.forkChild(Effect.scoped(FolderLock.acquire({ waitMillis: 5_000 })));
      const impatient = yield* Effect.flip(Effect.scoped(FolderLock.acquire()));
      assert.strictEqual(impatient._tag, "FolderHeld");
      yield* Scope.close(scope, Exit.void);
      yield* Fiber.join(second);
      assert.deepStrictEqual(yield* FolderLock.holder(yield* DataFolder.DataFolder), Option.none());
    }),
  );
});

layer(temporaryFolder, { excludeTestServices: true })("a running daemon", (it) => {
  it.effect("is found by what it left in the folder, and no longer when it has stopped", () =>
    Effect.gen(function* () {
      const instance = { ...description, pid: process.pid };
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* Instance.find(), Option.none());
          yield* FolderLock.acquire();
          yield* Instance.publish(instance);
          assert.deepStrictEqual(yield* Instance.find(), Option.some(instance));
        }),
      );
      assert.deepStrictEqual(yield* Instance.find(), Option.none());
    }),
  );

  it.effect("that was killed counts as none, although its file is still there", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const folder = yield* DataFolder.DataFolder;
      const child = yield* holdElsewhere;
      assert.isTrue(Option.isSome(yield* Instance.find()));
      yield* child.kill();
      assert.isTrue(yield* fs.exists(folder.instance));
      assert.deepStrictEqual(yield* Instance.find(), Option.none());
    }),
  );

  it.effect("whose pid belongs to another process by now counts as none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const folder = yield* DataFolder.DataFolder;
      yield* fs.writeFileString(folder.instance, JSON.stringify({ ...description, pid: process.ppid }));
      yield* FolderLock.acquire();
      assert.deepStrictEqual(yield* Instance.find(), Option.none());
    }),
  );

  it.effect("whose file is torn counts as none", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      yield* fs.writeFileString((yield* DataFolder.DataFolder).instance, '{"pid": 1');
      assert.deepStrictEqual(yield* Instance.find(), Option.none());
    }),
  );
});
