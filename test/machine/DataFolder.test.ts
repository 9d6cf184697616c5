import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, layer } from "@effect/vitest";
import { ConfigProvider, Effect, FileSystem, Logger } from "effect";
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
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

  const modeOf = (path: string) => statSync(path).mode & 0o777;

  it.effect("is closed to others with all of ours in it when it was open, and says so once", () =>
    Effect.gen(function* () {
      const data = yield* temporary;
      for (const folder of ["nats/jetstream/deep", "logs"]) mkdirSync(`${data}/${folder}`, { recursive: true });
      const files = [
        "recollect-1.db",
        "recollect-1.db-wal",
        "spool.db",
        "logs/nats-server.log",
        "nats/jetstream/deep/1.blk",
      ];
      for (const file of files) writeFileSync(`${data}/${file}`, "");
      for (const path of ["", "nats", "nats/jetstream", "nats/jetstream/deep", "logs"])
        chmodSync(`${data}/${path}`, 0o755);
      for (const file of files) chmodSync(`${data}/${file}`, 0o644);
      const said: Array<unknown> = [];
      const told = Logger.layer([Logger.make(({ message }) => void said.push(message))]);
      yield* DataFolder.make({ data }).pipe(Effect.provide(told));
      for (const file of files) assert.strictEqual(modeOf(`${data}/${file}`), 0o600, file);
      for (const path of ["", "nats", "nats/jetstream", "nats/jetstream/deep", "logs"])
        assert.strictEqual(modeOf(`${data}/${path}`), 0o700, path);
      assert.lengthOf(said, 1);
      assert.match(String(said[0]), /other users could read 10 files or folders/);
      yield* DataFolder.make({ data }).pipe(Effect.provide(told));
      assert.lengthOf(said, 1);
    }),
  );

  it.effect("leaves what is not ours as it is, and says that the folder is open", () =>
    Effect.gen(function* () {
      const data = yield* temporary;
      chmodSync(data, 0o755);
      for (const file of ["letter.txt", "recollect.db"]) writeFileSync(`${data}/${file}`, "");
      for (const file of ["letter.txt", "recollect.db"]) chmodSync(`${data}/${file}`, 0o644);
      const said: Array<unknown> = [];
      const told = Logger.layer([Logger.make(({ message }) => void said.push(message))]);
      yield* DataFolder.make({ data }).pipe(Effect.provide(told));
      assert.deepStrictEqual(
        ["letter.txt", "recollect.db", ""].map((name) => modeOf(`${data}/${name}`)),
        [0o644, 0o600, 0o755],
      );
      assert.match(said.join(), /is open to other users/);
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
