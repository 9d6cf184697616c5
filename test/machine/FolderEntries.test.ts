import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it, layer } from "@effect/vitest";
import { Effect, FileSystem } from "effect";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as DataFolder from "../../src/machine/DataFolder.ts";
import { notAsNamed } from "../../src/machine/FolderEntries.ts";
import { tighten } from "../../src/machine/PrivateFiles.ts";
import * as OwnFile from "../../src/machine/OwnFile.ts";
import { program } from "../support/program.ts";

const fifo = (path: string): void => void execFileSync("mkfifo", [path]);

const names = [
  "store.json",
  "instance.json",
  "access.json",
  "policy.json",
  "config.json",
  "heal.json",
  "listen.json",
  "known-streams.json",
  "last-list.json",
  "port",
  "http-port",
  "nats-server.conf",
  "recollect.lock",
  "recollect.lock.pid",
  "recollect.db",
  "recollect-1.db-wal",
  "recollect.db.scrub",
  "spool.db",
  "spool.db.accepted",
  "imports.db",
  "keys/local.nk",
  "keys/snapshots.key",
  "http/tokens/a.json",
  "answers/a.jsonl",
  "logs/nats-server.log",
  "nats/nats-server.pid",
  "nats/jetstream/RECOLLECT/streams/RECOLLECT/meta.inf",
  "nats/jetstream/RECOLLECT/streams/RECOLLECT/msgs/1.blk",
];

describe.skipIf(process.platform === "win32")("what is no file in the place of one", () => {
  const inFolder = (test: (root: string) => void): void => {
    const root = mkdtempSync(join(tmpdir(), "recollect-entries-"));
    try {
      test(root);
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  };

  it("is found under each name of ours, in each folder of ours, before anything is opened", () => {
    for (const name of names)
      inFolder((root) => {
        mkdirSync(dirname(join(root, name)), { recursive: true });
        writeFileSync(join(root, name), "");
        assert.isUndefined(notAsNamed(root), name);
        rmSync(join(root, name));
        fifo(join(root, name));
        assert.match(notAsNamed(root)?.cause.message ?? "", /is a FIFO$/, name);
      });
  });

  it("has no name that is not known to be ours, so that a folder of ours alone is closed to other users", () => {
    for (const name of [...names, "wrapped/a.journal", "aside/1/meta.inf", "queries/a.sql", "access.json.17"])
      inFolder((root) => {
        chmodSync(root, 0o755);
        const [top = ""] = name.split("/");
        mkdirSync(dirname(join(root, name)), { recursive: true, mode: 0o755 });
        writeFileSync(join(root, name), "", { mode: 0o644 });
        chmodSync(join(root, top), name === top ? 0o644 : 0o755);
        assert.isFalse(tighten(root).isOpen, name);
        for (const place of [root, join(root, top)]) assert.strictEqual(statSync(place).mode & 0o077, 0, name);
      });
    inFolder((root) => {
      chmodSync(root, 0o755);
      writeFileSync(join(root, "thesis.doc"), "");
      assert.isTrue(tighten(root).isOpen);
    });
  });

  it("is a folder, a device, a link to one or to itself, and a file in the place of a folder", () => {
    inFolder((root) => {
      const place = join(root, "store.json");
      const said = () => notAsNamed(root)?.cause.message.replace(place, "");
      mkdirSync(place);
      assert.strictEqual(said(), " is a folder");
      rmSync(place, { recursive: true });
      symlinkSync("/dev/zero", place);
      assert.strictEqual(said(), " is a device");
      rmSync(place);
      symlinkSync("store.json", place);
      assert.strictEqual(said(), " is a link that leads to itself");
      rmSync(place);
      writeFileSync(join(root, "keys"), "");
      assert.match(notAsNamed(root)?.cause.message ?? "", /keys is a file$/);
    });
  });

  it("is left alone where it has no name of ours, is a copy that was put aside, or a link to what is not there", () => {
    inFolder((root) => {
      for (const folder of ["aside", "nats/kept"]) mkdirSync(join(root, folder), { recursive: true });
      for (const name of ["letter", "aside/store.json", "nats/kept/1.blk"]) fifo(join(root, name));
      symlinkSync("recollect-2.db", join(root, "recollect.db"));
      mkdirSync(join(root, "elsewhere"));
      symlinkSync("elsewhere", join(root, "queries"));
      assert.isUndefined(notAsNamed(root));
    });
  });

  it("is an error to a read that comes upon it later, at once", async () => {
    const root = mkdtempSync(join(tmpdir(), "recollect-entries-"));
    const [pipe, socket, large] = ["pipe", "socket", "large"].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    fifo(pipe);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    execFileSync("truncate", ["-s", "200M", large]);
    try {
      assert.throws(() => OwnFile.read(pipe), /is a FIFO/);
      assert.throws(() => OwnFile.read("/dev/zero"), /is a device/);
      assert.throws(() => OwnFile.read(root), /is a folder/);
      assert.throws(() => OwnFile.read(socket));
      assert.throws(() => OwnFile.read(large), /more than/);
      assert.strictEqual(OwnFile.read(large, Infinity).byteLength, 200 * 1024 * 1024);
    } finally {
      server.close();
      rmSync(root, { recursive: true, force: true });
    }
  });

  it("ends each command with a sentence that names it and says what to do", () => {
    inFolder((root) => {
      mkdirSync(join(root, "nats"));
      fifo(join(root, "store.json"));
      for (const words of [["status"], ["up"], ["threads"], ["heal"]]) {
        const ended = spawnSync(process.execPath, [program, ...words, "--data", root], {
          encoding: "utf8",
          timeout: 60_000,
        });
        assert.strictEqual(ended.status, 5, `${words[0]}: ${ended.stderr}`);
        assert.include(ended.stderr, `${join(root, "store.json")} is a FIFO, and should be a file`, words[0]);
        assert.include(ended.stderr, "mv ");
      }
    });
  }, 250_000);
});

layer(NodeServices.layer)("a data folder with a FIFO", (it) => {
  it.effect.skipIf(process.platform === "win32")("is refused as a typed error", () =>
    Effect.gen(function* () {
      const data = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped());
      fifo(join(data, "port"));
      const error = yield* Effect.flip(DataFolder.make({ data }));
      assert.strictEqual(error.reason, "notAFile");
      assert.strictEqual(error.path, join(data, "port"));
    }),
  );
});
