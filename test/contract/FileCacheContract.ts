/** The promises of `FileCache`, as one suite for every wire. Each test has a tenant and a folder of its own. */
import { assert } from "@effect/vitest";
import { Clock, Context, Effect, Fiber, Layer, Option, Result, type Scope } from "effect";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Entry } from "../../src/coordination/bucket/Bucket.ts";
import { CacheSharing } from "../../src/coordination/cache/CacheSharing.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as DiskFile from "../../src/coordination/cache/DiskFile.ts";
import * as FileCache from "../../src/coordination/cache/FileCache.ts";
import * as SharedFiles from "../../src/coordination/cache/SharedFiles.ts";
import type { EventLog } from "../../src/log/EventLog.ts";
import { maxFileBytes } from "../../src/publish/thread/ThreadFiles.ts";
import { ahead, hour } from "../support/ahead.ts";
import { settings as bucketSettings } from "./BucketContract.ts";

type Tester = (name: string, test: () => Effect.Effect<void, unknown, CacheSharing | EventLog | Scope.Scope>) => void;

/** A cache as a process of that tenant has it. To its clock every file is an old one: it is an hour ahead, or as said. */
export const process = (
  tenant: string,
  options: {
    readonly clock?: { millis: number };
    readonly machine?: string;
    readonly config?: Record<string, unknown>;
  } = {},
) =>
  Effect.gen(function* () {
    const built = yield* Layer.build(Configuration.layer({ tenant, file: options.config ?? {} }));
    const { machine } = options;
    const made = FileCache.make({ machine, patienceMillis: 10_000 }).pipe(
      Effect.provideService(Configuration.Configuration, Context.get(built, Configuration.Configuration)),
    );
    const cache = yield* Effect.provideService(made, Clock.Clock, ahead(options.clock ?? { millis: hour }));
    return { ...cache, config: Context.get(built, Configuration.Configuration) };
  });

export const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(join(tmpdir(), "recollect-files-"))),
  (path) => Effect.sync(() => fs.rmSync(path, { recursive: true, force: true })),
);

const textOf = ({ bytes }: { readonly bytes: Uint8Array }): string => Buffer.from(bytes).toString("utf8");

/** What was read, and where it came from. */
const told = (content: FileCache.FileContent): readonly [string, string] => [textOf(content), content.from];

export const suite = (test: Tester) => {
  test("gives each caller bytes of its own: what one changes is nobody else's, and not what is recorded", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "safe = true");
      const cache = yield* process("own bytes");
      for (let reads = 0; reads < 3; reads++) {
        const read = yield* cache.read(path);
        assert.strictEqual(textOf(read), "safe = true");
        read.bytes.set(Buffer.from("EVIL"), 0);
        const content = yield* cache.content(read.sha256);
        assert.strictEqual(textOf({ bytes: content ?? new Uint8Array() }), "safe = true");
        content?.fill(0);
      }
    }));

  test("reads a file once from the disk, then from memory, and in another process from what is shared", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "one");
      const [first, second] = [yield* process("shared"), yield* process("shared")];
      assert.deepStrictEqual(told(yield* first.read(path)), ["one", "disk"]);
      assert.deepStrictEqual(told(yield* first.read(path)), ["one", "process"]);
      yield* first.kept;
      const found = yield* second.read(path);
      assert.deepStrictEqual(told(found), ["one", "shared"]);
      assert.strictEqual(found.sha256, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed");
      assert.strictEqual(found.modifiedAt, fs.statSync(path).mtimeMs);
      assert.deepStrictEqual(told(yield* second.read(path)), ["one", "process"]);
    }));

  test("keeps large contents and binary ones as they are", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      const [first, second] = [yield* process("large"), yield* process("large")];
      for (const [name, size] of [
        ["empty", 0],
        ["beside", 32 * 1024],
        ["value", 200 * 1024],
        ["object", 600 * 1024],
      ] as const) {
        const path = join(root, name);
        const bytes = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8)) % 256));
        fs.writeFileSync(path, bytes);
        const read = yield* first.read(path);
        assert.strictEqual(read.from, "disk");
        yield* first.kept;
        const found = yield* second.read(path);
        // An empty file may be one of those that the system makes up: it is read each time.
        assert.strictEqual(found.from, size === 0 ? "disk" : "shared", name);
        assert.isTrue(Buffer.from(found.bytes).equals(bytes), name);
        if (size > 0) assert.isTrue(Buffer.from((yield* second.content(read.sha256)) ?? []).equals(bytes), name);
      }
      assert.isUndefined(yield* second.content("0".repeat(64)));
      assert.isUndefined(yield* second.content("../x"));
    }));

  test("never gives an old version for a new one, though size and time of content are the same", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      const path = join(root, "a.txt");
      const [first, second] = [yield* process("versions"), yield* process("versions")];
      const old = new Date(1_700_000_000_000);
      fs.writeFileSync(path, "one");
      fs.utimesSync(path, old, old);
      assert.strictEqual(textOf(yield* first.read(path)), "one");
      yield* first.kept;
      fs.writeFileSync(join(root, "b.txt"), "two");
      fs.utimesSync(join(root, "b.txt"), old, old);
      fs.renameSync(join(root, "b.txt"), path);
      assert.deepStrictEqual(told(yield* first.read(path)), ["two", "disk"]);
      assert.strictEqual(textOf(yield* second.read(path)), "two");
    }));

  test("does not trust a file that was changed a moment ago: the next change may not show in its times", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      const [first, second] = [
        yield* process("young", { clock: { millis: 0 } }),
        yield* process("young", { clock: { millis: 0 } }),
      ];
      fs.writeFileSync(path, "one");
      assert.deepStrictEqual(told(yield* first.read(path)), ["one", "disk"]);
      assert.deepStrictEqual(told(yield* first.read(path)), ["one", "disk"]);
      yield* first.kept;
      assert.deepStrictEqual(told(yield* second.read(path)), ["one", "disk"]);
      assert.strictEqual((yield* first.counts).unsettled, 2);
    }));

  test("lets one read for a hundred who ask at once", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "x".repeat(100_000));
      const cache = yield* process("flight");
      const read = yield* Effect.forEach(Array.from({ length: 100 }), () => cache.read(path), {
        concurrency: "unbounded",
      });
      assert.strictEqual(new Set(read.map(({ sha256 }) => sha256)).size, 1);
      assert.deepInclude(yield* cache.counts, { reads: 100, joined: 99, fromDisk: 100, fromProcess: 0 });
      // And each has bytes of its own.
      assert.strictEqual(new Set(read.map(({ bytes }) => bytes)).size, 100);
    }));

  test("follows links, also one that leads elsewhere now", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      const [link, cache] = [join(root, "link"), yield* process("links")];
      for (const name of ["one", "two"]) fs.writeFileSync(join(root, name), name);
      fs.symlinkSync("one", link);
      assert.strictEqual(textOf(yield* cache.read(link)), "one");
      fs.rmSync(link);
      fs.symlinkSync("two", link);
      assert.strictEqual(textOf(yield* cache.read(link)), "two");
      fs.rmSync(link);
      fs.symlinkSync("link", link);
      assert.strictEqual((yield* Effect.flip(cache.read(link)))._tag, "FileUnreadable");
    }));

  test("refuses what is no file, too large, or may not be, and keeps none of it", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      const cache = yield* process("refusals");
      const large = join(root, "large");
      fs.writeFileSync(large, "");
      fs.truncateSync(large, maxFileBytes + 1);
      const errors = yield* Effect.forEach(
        [root, "/dev/null", large, "", "a\0b", `/${"x".repeat(5_000)}`, join(large, "below")],
        (path) => Effect.flip(cache.read(path)),
      );
      assert.deepStrictEqual(
        errors.map((error) => (error._tag === "FileUnreadable" ? error.reason : error._tag)),
        ["notAFile", "notAFile", "FileTooLarge", "path", "path", "path", "FileMissing"],
      );
      assert.deepInclude(yield* cache.counts, { contents: 0, failed: 4 });
      assert.isTrue(yield* cache.forget({ path: `/${"x/".repeat(1_900)}` }));
    }));

  test("believes for a moment that a missing file is missing, and not after it was told otherwise", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      const config = { "cache.files.missingMillis": 60_000 };
      const [first, second] = [yield* process("missing", { config }), yield* process("missing", { config })];
      assert.strictEqual((yield* Effect.flip(first.read(path)))._tag, "FileMissing");
      fs.writeFileSync(path, "one");
      assert.strictEqual((yield* Effect.flip(first.read(path)))._tag, "FileMissing");
      assert.strictEqual((yield* first.counts).knownMissing, 1);
      assert.isTrue(yield* second.forget({ path }));
      assert.strictEqual(textOf(yield* first.read(path)), "one");

      const [clock, later] = [{ millis: hour }, join(yield* folder, "b.txt")];
      const third = yield* process("missing", { config, clock });
      yield* Effect.flip(third.read(later));
      fs.writeFileSync(later, "two");
      clock.millis += 59_000;
      assert.strictEqual((yield* Effect.flip(third.read(later)))._tag, "FileMissing");
      clock.millis += 2_000;
      assert.strictEqual(textOf(yield* third.read(later)), "two");

      const back = join(yield* folder, "c.txt");
      yield* Effect.flip(third.read(back));
      fs.writeFileSync(back, "three");
      clock.millis -= 30 * 60_000;
      assert.strictEqual(textOf(yield* third.read(back)), "three");
    }));

  test("forgets a path, a folder and everything in every process, and nothing beside", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      fs.mkdirSync(join(root, "sub/deep"), { recursive: true });
      const names = ["sub/a", "sub/deep/b", "sub2", "c"];
      for (const name of names) fs.writeFileSync(join(root, name), `the content of ${name}`);
      const [first, second, third] = [yield* process("forget"), yield* process("forget"), yield* process("forget")];
      const from = (cache: typeof first) =>
        Effect.forEach(names, (name) => Effect.map(cache.read(join(root, name)), ({ from: where }) => where));
      yield* from(first);
      yield* first.kept;
      yield* from(second);
      assert.deepStrictEqual(yield* from(second), ["process", "process", "process", "process"]);
      assert.isTrue(yield* first.forget({ path: join(root, "c") }));
      assert.deepStrictEqual(yield* from(second), ["process", "process", "process", "disk"]);
      yield* second.kept;
      assert.isTrue(yield* first.forget({ folder: join(root, "sub") }));
      assert.deepStrictEqual(yield* from(second), ["disk", "disk", "process", "process"]);
      yield* second.kept;
      assert.deepStrictEqual(yield* from(third), ["shared", "shared", "shared", "shared"]);
      assert.isTrue(yield* first.forget("all"));
      assert.deepStrictEqual(yield* from(second), ["disk", "disk", "disk", "disk"]);
    }));

  test("holds no more bytes than it may, nor a content for longer, by the configuration of the moment", () =>
    Effect.gen(function* () {
      const root = yield* folder;
      const clock = { millis: hour };
      const cache = yield* process("bounds", { clock });
      for (const name of ["a", "b", "c"]) fs.writeFileSync(join(root, name), name.repeat(400_000));
      yield* cache.config.set({ "cache.files.processBytes": 1_000_000 });
      for (const name of ["a", "b", "c", "a"]) yield* cache.read(join(root, name));
      const { bytes, contents, forgotten } = yield* cache.counts;
      assert.deepStrictEqual([bytes, contents, forgotten], [800_000, 2, 2]);
      yield* cache.config.set({ "cache.files.processBytes": 0 });
      assert.strictEqual((yield* cache.read(join(root, "b"))).bytes.length, 400_000);
      assert.strictEqual((yield* cache.counts).bytes, 0);

      yield* cache.config.set({ "cache.files.processBytes": 1_000_000, "cache.files.ttlMillis": 5_000 });
      const from = Effect.map(cache.read(join(root, "c")), ({ from: where }) => where);
      yield* from;
      assert.strictEqual(yield* from, "process");
      clock.millis += 6_000;
      assert.notStrictEqual(yield* from, "process");
      assert.strictEqual(yield* from, "process");
    }));

  test("does not give shared bytes that do not match their hash", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "one");
      const [first, second] = [yield* process("damaged"), yield* process("damaged")];
      const { sha256 } = yield* first.read(path);
      yield* first.kept;
      const { buckets } = (yield* CacheSharing).shared() ?? (yield* Effect.die("nothing is shared"));
      const bucket = yield* buckets.open({ ...bucketSettings, name: SharedFiles.bucketName });
      const isOurs = ({ key, value }: Entry) => key.includes(sha256) || Buffer.from(value ?? []).includes(sha256);
      const ours = (yield* bucket.entries(">")).filter(isOurs);
      assert.lengthOf(ours, 2);
      for (const { key, value } of ours) {
        const text = Buffer.from(value ?? []).toString("utf8");
        yield* bucket.put(key, Buffer.from(text.replace(/one$/, "two")));
      }
      assert.isUndefined(yield* second.content(sha256));
      assert.deepStrictEqual(told(yield* second.read(path)), ["one", "disk"]);
    }));

  test("with verify content gives what is on the disk, though no version tells of it, and no process believes on", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "new");
      const [first, second] = [yield* process("verified"), yield* process("verified")];
      const { sha256 } = yield* first.read(path);
      yield* first.kept;
      // As if the version had had another content before a write through a memory mapping.
      const { buckets } = (yield* CacheSharing).shared() ?? (yield* Effect.die("nothing is shared"));
      const bucket = yield* buckets.open({ ...bucketSettings, name: SharedFiles.bucketName });
      const isOurs = ({ value }: Entry) => Buffer.from(value ?? []).includes(sha256);
      const [at] = (yield* bucket.entries(">")).filter(isOurs);
      const before = Buffer.from(at?.value ?? []).toString("utf8");
      const old = SharedFiles.digestOf(Buffer.from("old"));
      yield* bucket.put(at?.key ?? "", Buffer.from(before.replace(sha256, old).replace(/new$/, "old")));
      assert.deepStrictEqual(told(yield* second.read(path)), ["old", "shared"]);
      assert.deepStrictEqual(told(yield* second.read(path, { verify: "content" })), ["new", "disk"]);
      assert.deepStrictEqual(told(yield* second.read(path)), ["new", "disk"]);
      assert.strictEqual((yield* Effect.flip(second.read(`${path}.none`, { verify: "content" })))._tag, "FileMissing");
    }));

  test("reads a file anew that changes while it is read, and keeps none that never stands still", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "one");
      const reading = yield* Effect.forkChild(DiskFile.read(path), { startImmediately: true });
      fs.appendFileSync(path, ", two");
      const { bytes, isWhole } = yield* Fiber.join(reading);
      assert.deepStrictEqual([Buffer.from(bytes).toString(), isWhole], ["one, two", true]);
      const made = yield* DiskFile.read("/proc/self/status").pipe(Effect.option);
      if (Option.isSome(made)) assert.deepStrictEqual([made.value.isWhole, made.value.bytes.length > 0], [false, true]);
    }));

  test("counts, for every process, and tells what is shared", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "one");
      const [first, second] = [yield* process("counts", { machine: "m" }), yield* process("counts", { machine: "m" })];
      yield* first.read(path);
      yield* first.kept;
      for (let at = 0; at < 3; at++) yield* second.read(path);
      const reports = yield* first.reports;
      assert.deepStrictEqual(reports.map(({ counts }) => counts["reads"]).toSorted(), [1, 3]);
      assert.deepInclude(yield* second.counts, { fromShared: 1, fromProcess: 2, fromDisk: 0 });
      assert.isAtLeast((yield* first.usage)?.values ?? 0, 2);
    }));

  test("does not give a file of another machine or tenant", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "a.txt");
      fs.writeFileSync(path, "one");
      const first = yield* process("apart", { machine: "one" });
      yield* first.read(path);
      yield* first.kept;
      for (const other of [yield* process("apart", { machine: "two" }), yield* process("other", { machine: "one" })]) {
        assert.strictEqual((yield* other.read(path)).from, "disk");
      }
      assert.isTrue(Result.isSuccess(yield* Effect.result(first.read(path))));
    }));
};
