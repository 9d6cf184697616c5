import { NodeServices } from "@effect/platform-node";
import { assert, layer } from "@effect/vitest";
import { ConfigProvider, Effect, FileSystem } from "effect";
import { existsSync } from "node:fs";
import * as DataFolder from "../../src/machine/DataFolder.ts";

const environment = (env: Record<string, string>) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })));

/** A place where nobody, not even root, can make a folder. */
const forbidden = process.platform === "linux" ? "/sys/recollect" : "/System/recollect";

layer(NodeServices.layer)("the data folder", (it) => {
  const temporary = Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped());

  it.effect("is the one that was named, before the environment's", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* DataFolder.locate("/a"), "/a");
      assert.strictEqual(yield* DataFolder.locate(undefined), "/b");
    }).pipe(environment({ RECOLLECT_DATA: "/b", XDG_DATA_HOME: "/c" })),
  );

  it.effect("is the XDG data folder of the user when nothing is named", () =>
    Effect.gen(function* () {
      const of = (env: Record<string, string>) => DataFolder.locate(undefined).pipe(environment(env));
      assert.strictEqual(yield* of({ XDG_DATA_HOME: "/c", HOME: "/h" }), "/c/recollect");
      assert.strictEqual(yield* of({ HOME: "/h" }), "/h/.local/share/recollect");
      assert.strictEqual(
        yield* of({ RECOLLECT_DATA: "", XDG_DATA_HOME: "relative", HOME: "/h" }),
        "/h/.local/share/recollect",
      );
    }),
  );

  it.effect("is made for this user alone", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const folder = yield* DataFolder.make({ data: `${yield* temporary}/deep/inside` });
      assert.strictEqual((yield* fs.stat(folder.root)).mode & 0o777, 0o700);
      assert.isTrue(yield* fs.exists(folder.logs));
      assert.deepStrictEqual(yield* fs.readDirectory(folder.root), ["logs"]);
    }),
  );

  it.effect("is taken as it is when it is there", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const data = yield* temporary;
      yield* fs.chmod(data, 0o750);
      yield* DataFolder.make({ data });
      yield* DataFolder.make({ data });
      assert.strictEqual((yield* fs.stat(data)).mode & 0o777, 0o750);
    }),
  );

  it.effect("is refused with a sentence when a file is in its place", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const data = `${yield* temporary}/file`;
      yield* fs.writeFileString(data, "");
      const error = yield* Effect.flip(DataFolder.make({ data }));
      assert.strictEqual(error.reason, "notAFolder");
      assert.include(error.message, data);
    }),
  );

  it.effect("is refused with a sentence when it cannot be written to", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(DataFolder.make({ data: forbidden }));
      assert.strictEqual(error.reason, "notWritable");
      assert.include(error.message, forbidden);
      assert.include(error.hint, "--data");
    }),
  );
});

layer(NodeServices.layer)("a trouble with a folder", (it) => {
  it.effect.skipIf(!existsSync("/dev/full"))("names a full disk, as the system reports it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const cause = yield* Effect.flip(fs.writeFileString("/dev/full", "x", { flag: "r+" }));
      const error = DataFolder.folderTrouble({ path: "/data", cause });
      assert.strictEqual(error.reason, "diskFull");
      assert.strictEqual(error.message, "The disk that holds /data is full.");
    }),
  );
});
