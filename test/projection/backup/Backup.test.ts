import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Effect, Fiber, References, Stream } from "effect";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import type { NatsConnection } from "../../../src/log/connection/NatsConnectionNats.ts";
import { EventLog } from "../../../src/log/EventLog.ts";
import * as Backup from "../../../src/projection/backup/Backup.ts";
import * as Restore from "../../../src/projection/backup/Restore.ts";
import * as HealPlan from "../../../src/projection/heal/Plan.ts";
import * as Generations from "../../../src/projection/rebuild/Generations.ts";
import * as KeptFiles from "../../../src/projection/rebuild/KeptFiles.ts";
import { temporaryFolder } from "../World.ts";
import * as World from "../heal/World.ts";

const { appendAll, everything, folderWith, shapes, withLog } = World;
const onProgress = () => Effect.void;
const quietly = Effect.provideService(References.MinimumLogLevel, "None");

const backup = (root: string, into: string, withKeys = false) =>
  Backup.backup({
    folder: World.folderOf(root),
    stream: "RECOLLECT",
    into,
    withKeys,
    version: "test",
    onProgress,
  });

const restore = (from: string, into: string) =>
  Restore.restore({ from, into, onProgress }).pipe(Effect.provide(NodeServices.layer), quietly);

const flip = (file: string, at: number): void => {
  const bytes = readFileSync(file);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
};

const folders = Effect.map(temporaryFolder, (folder) => ({ into: join(folder, "backup"), back: join(folder, "back") }));

describe("a backup", { timeout: 60_000 }, () => {
  it.live("is taken while events are appended, adds only what is new, and gives back everything as it was", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(30);
      const { back, into } = yield* folders;
      mkdirSync(join(root, "keys"));
      writeFileSync(join(root, "keys", "daemon.nk"), "secret");
      writeFileSync(join(root, "config.json"), "{}");
      const { before, blob, first, second } = yield* withLog(
        root,
        Effect.gen(function* () {
          const log = yield* EventLog;
          const { sha256 } = yield* log.putBlob(Buffer.from("a large part"));
          const one = yield* backup(root, into);
          const appending = yield* Effect.forkChild(appendAll("later", 60));
          const two = yield* backup(root, into);
          yield* Fiber.join(appending);
          const entries = yield* everything;
          return { first: one, second: two, blob: sha256, before: entries };
        }),
      );
      const { lastSequence } = second.manifest.stream;
      assert.deepInclude(first, { added: 30 });
      assert.strictEqual(second.added, lastSequence - 30);
      assert.isEmpty(second.manifest.files.filter(({ path }) => path.includes("keys")));
      yield* restore(into, back);
      assert.isTrue(existsSync(join(back, "config.json")));
      assert.strictEqual(statSync(back).mode & 0o777, 0o700);
      // The store is that of a server with accounts, and the server of this test has none.
      renameSync(join(back, "nats", "jetstream", "RECOLLECT"), join(back, "nats", "jetstream", "$G"));
      yield* withLog(
        back,
        Effect.gen(function* () {
          const log = yield* EventLog;
          assert.deepStrictEqual(shapes(yield* everything), shapes(before.slice(0, lastSequence)));
          assert.deepStrictEqual(yield* World.append("old 7"), { sequence: 7, duplicate: true });
          assert.strictEqual(Buffer.from((yield* log.getBlob(blob)) ?? []).toString(), "a large part");
          yield* World.project(back);
        }),
      );
      assert.isFalse((yield* World.plan(back)).needed);
    }),
  );

  it.live("names the file that is not as it was written, and is not restored", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(10);
      const { back, into } = yield* folders;
      symlinkSync(root, join(into, "..", "link"));
      for (const inside of [root, join(root, "backups", "new"), join(into, "..", "link", "backup")])
        assert.match((yield* Effect.flip(withLog(root, backup(root, inside)))).message, /lies in the data folder/);
      mkdirSync(join(root, "http"));
      writeFileSync(join(root, "http", "lease.key"), "a key");
      const { manifest } = yield* withLog(root, backup(root, into));
      const paths = manifest.files.map(({ path }) => path);
      const [files = ""] = paths[0]?.split("/", 1) ?? [];
      assert.notIncludeMembers(paths, [`${files}/http/lease.key`], "keys are apart");
      assert.deepStrictEqual(yield* Restore.faults(into, manifest, onProgress), []);
      for (const file of [manifest.stream.segments[0]?.path ?? "", `${files}/recollect.db`]) {
        flip(join(into, file), 700);
        assert.include((yield* Restore.faults(into, manifest, onProgress)).join(), file);
        assert.deepInclude(yield* Effect.flip(restore(into, back)), { _tag: "BackupUnusable" });
        flip(join(into, file), 700);
      }
      // A backup of somebody else's writes nowhere but into the new folder.
      const written = readFileSync(join(into, "manifest.json"), "utf8");
      for (const path of ["files/../../../stolen", "../stolen", "/tmp/stolen"]) {
        writeFileSync(join(into, "manifest.json"), written.replace(`"${files}/recollect.db"`, JSON.stringify(path)));
        assert.match((yield* Effect.flip(restore(into, back))).message, /is no manifest of a backup/);
      }
      writeFileSync(join(into, "manifest.json"), written);
      assert.isFalse(existsSync(back));
      const proven = yield* Restore.prove(into, onProgress).pipe(Effect.provide(NodeServices.layer), quietly);
      assert.deepStrictEqual(proven.faults, []);
    }),
  );

  it.live("is made by one run at a time: a second one is refused, and takes nothing from the first", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(10);
      const { into } = yield* folders;
      const { manifest, second } = yield* withLog(
        root,
        Effect.gen(function* () {
          const context = yield* Effect.context<NatsConnection>();
          let outcome: Promise<string> | undefined;
          const meanwhile = Effect.promise(async () => {
            outcome ??= Effect.runPromiseWith(context)(
              backup(root, into).pipe(
                Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "a second backup was made" }),
              ),
            );
            await outcome;
          });
          const first = yield* Backup.backup({
            folder: World.folderOf(root),
            stream: "RECOLLECT",
            into,
            withKeys: false,
            version: "test",
            onProgress: () => meanwhile,
          });
          return { manifest: first.manifest, second: yield* Effect.promise(async () => outcome) };
        }),
      );
      assert.deepStrictEqual(yield* Restore.faults(into, manifest, onProgress), []);
      assert.match(second ?? "", /Another backup into .* runs now/);
      // The next one is none the worse for it.
      assert.deepInclude(yield* withLog(root, backup(root, into)), { added: 0 });
    }),
  );

  it.live("is not continued with another stream, nor over a hole", () =>
    Effect.gen(function* () {
      const { into } = yield* folders;
      const { root } = yield* folderWith(10);
      yield* withLog(root, backup(root, into));
      const manifest = readFileSync(join(into, "manifest.json"), "utf8");
      const other = yield* folderWith(5);
      assert.match((yield* Effect.flip(withLog(other.root, backup(other.root, into)))).message, /another stream/);
      yield* withLog(root, appendAll("later", 10));
      yield* withLog(root, World.project(root));
      writeFileSync(join(root, "config.json"), "{}");
      World.flipEvent(root, 15);
      assert.match((yield* Effect.flip(withLog(root, backup(root, into)))).message, /hole at sequence 15/);
      assert.strictEqual(readFileSync(join(into, "manifest.json"), "utf8"), manifest);
      assert.deepStrictEqual(yield* Restore.faults(into, yield* Restore.open(into), onProgress), []);
      yield* restore(into, join(into, "..", "back"));
    }),
  );

  it.live("has the databases that a rebuild has kept, damaged ones too, and of two runs the files of the newer", () =>
    Effect.gen(function* () {
      const { back, into } = yield* folders;
      const { root } = yield* folderWith(5);
      writeFileSync(join(root, "recollect-7.db"), "no database any more");
      Generations.keep(join(root, "recollect-7.db"), "It holds what nothing else does.");
      yield* withLog(root, backup(root, into));
      yield* withLog(root, backup(root, into));
      // A folder of that name is another program's, unless a manifest says otherwise.
      mkdirSync(join(into, "files"));
      const ofRuns = () => readdirSync(into).filter((name) => name.startsWith("files-"));
      assert.lengthOf(ofRuns(), 1);
      mkdirSync(join(into, `files-${Date.now()}`));
      yield* withLog(root, backup(root, into));
      assert.lengthOf(ofRuns(), 1);
      assert.isTrue(existsSync(join(into, "files")));
      yield* restore(into, back);
      assert.strictEqual(readFileSync(join(back, "recollect-7.db"), "utf8"), "no database any more");
      assert.deepStrictEqual(KeptFiles.kept(join(back, "recollect.db")), [
        { name: "recollect-7.db", why: "It holds what nothing else does." },
      ]);
    }),
  );

  it.live("is not continued over a last segment that is not as it was written: what that lacks would be gone", () =>
    Effect.gen(function* () {
      const { into } = yield* folders;
      const { root } = yield* folderWith(10);
      const { manifest } = yield* withLog(root, backup(root, into));
      const written = readFileSync(join(into, "manifest.json"), "utf8");
      flip(join(into, manifest.stream.segments.at(-1)?.path ?? ""), 700);
      yield* withLog(root, appendAll("later", 10));
      assert.match((yield* Effect.flip(withLog(root, backup(root, into)))).message, /not as it was written/);
      assert.strictEqual(readFileSync(join(into, "manifest.json"), "utf8"), written);
    }),
  );

  it.live("is restored into no folder that something came into meanwhile", () =>
    Effect.gen(function* () {
      const { back, into } = yield* folders;
      const { root } = yield* folderWith(3);
      yield* withLog(root, backup(root, into));
      const came = join(back, "came meanwhile");
      const restored = Restore.restore({
        from: into,
        into: back,
        onProgress: () =>
          Effect.sync(() => {
            mkdirSync(back, { recursive: true });
            writeFileSync(came, "theirs");
          }),
      }).pipe(Effect.provide(NodeServices.layer), quietly);
      assert.deepInclude(yield* Effect.flip(restored), { _tag: "BackupUnusable" });
      assert.strictEqual(readFileSync(came, "utf8"), "theirs");
    }),
  );

  it.live("helps to heal a folder whose own copies have lost something, and takes nothing from it that is newer", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(30);
      const { into } = yield* folders;
      const { manifest } = yield* withLog(root, backup(root, into));
      const before = yield* withLog(
        root,
        appendAll("later", 20).pipe(Effect.andThen(World.project(root)), Effect.andThen(everything)),
      );
      // The stream is gone, and the ledger has lost an event that only the backup has.
      rmSync(World.streamFolder(root), { recursive: true });
      World.changeRow(root, 10);
      const witness = Restore.witness(into, manifest);
      const planned = yield* HealPlan.plan({ folder: World.folderOf(root), stream: "RECOLLECT", witness, onProgress });
      assert.deepInclude(planned, { needed: true, lost: [] });
      assert.deepInclude(yield* World.plan(root), { lost: [{ first: 10, last: 10 }] });
      const { after, verified } = yield* World.heal(root, { witness });
      assert.deepInclude(verified, { ok: true });
      assert.deepStrictEqual(shapes(after.slice(0, 50)), shapes(before));
    }),
  );

  it.live("is not needed for a copy of the folder under load: it opens, and has all that was acknowledged before", () =>
    Effect.gen(function* () {
      const { root } = yield* folderWith(20);
      const copy = join(yield* temporaryFolder, "copy");
      const acknowledged = yield* withLog(
        root,
        Effect.gen(function* () {
          yield* appendAll("before", 100);
          const entries = yield* everything;
          const appending = yield* Effect.forkChild(appendAll("during", 2_000));
          const log = yield* EventLog;
          yield* log.follow({ after: entries.length }).pipe(Stream.take(5), Stream.runDrain);
          yield* Effect.promise(() => cp(root, copy, { recursive: true, verbatimSymlinks: true }));
          yield* Fiber.interrupt(appending);
          return entries;
        }),
      );
      const { after, verified } = yield* World.whole(copy, false);
      assert.deepInclude(verified, { ok: true });
      assert.deepStrictEqual(shapes(after.slice(0, acknowledged.length)), shapes(acknowledged));
    }),
  );
});
