/** A data folder that knows of a stream which its server cannot give: nothing is made in its place. */
import { assert, describe, it } from "@effect/vitest";
import { cpSync, existsSync, globSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Recollect } from "../../../src/client/Recollect.ts";
import { session, Stage } from "./Program.ts";

interface Status {
  readonly stream: { readonly messages: number } | null;
  readonly threads: number;
  readonly conditions: ReadonlyArray<{ readonly name: string; readonly hint: string }>;
}

const streamFolder = (stage: Stage) =>
  globSync(join(stage.data, "nats", "jetstream", "*", "streams", "RECOLLECT"))[0] ?? "none";

/** The bytes of a stream's blocks, as one text for each. */
const blocksOf = (folder: string) =>
  readdirSync(join(folder, "msgs"))
    .filter((name) => name.endsWith(".blk"))
    .map((name) => readFileSync(join(folder, "msgs", name)).toString("base64"));

const filled = async (stage: Stage) => {
  const file = join(stage.folder, "a.jsonl");
  writeFileSync(file, session("a", ["one", "two", "three"]));
  await stage.json(["import", file]);
  return file;
};

/** What `status` says where something is wrong. */
const statusOf = async (stage: Stage): Promise<Status> => {
  const { code, err, out } = await stage.run(["status", "--json"]);
  assert.strictEqual(code, 6, err);
  return JSON.parse(out);
};

describe("a data folder whose stream", { timeout: 300_000 }, () => {
  it("cannot be loaded keeps its files, copies them aside, says so, and serves what the ledger has", async () => {
    await using stage = new Stage();
    const file = await filled(stage);
    const folder = streamFolder(stage);
    const meta = readFileSync(join(folder, "meta.inf"));
    writeFileSync(join(folder, "meta.inf"), "{");
    const before = blocksOf(folder);

    const up = await stage.up();
    assert.match(up.err, /streamUnloadable|cannot load the stream/);
    const status = await statusOf(stage);
    assert.isNull(status.stream);
    assert.strictEqual(status.threads, 1);
    assert.strictEqual(status.conditions[0]?.name, "streamUnloadable");
    assert.include(status.conditions[0]?.hint, "recollect heal");
    const listed = await stage.json<{ readonly threads: ReadonlyArray<unknown> }>(["threads"]);
    assert.lengthOf(listed.threads, 1);
    const again = await stage.run(["import", file]);
    assert.strictEqual(again.code, 5, again.err);
    assert.include(again.err, "cannot load the stream");
    const publisher = await Recollect.connect({ data: stage.data, client: "test" });
    assert.strictEqual((await publisher.thread("kept").say({ role: "user", text: "later" }))._tag, "Spooled");
    await publisher.close();
    await up.end("SIGTERM");

    assert.deepStrictEqual(blocksOf(folder), before);
    const [aside] = readdirSync(join(stage.data, "aside"));
    assert.deepStrictEqual(blocksOf(join(stage.data, "aside", aside ?? "")), before);

    writeFileSync(join(folder, "meta.inf"), meta);
    const { stream } = await stage.json<Status>(["status"]);
    assert.isAtLeast(stream?.messages ?? 0, 3);
    const { threads } = await stage.json<{ readonly threads: ReadonlyArray<unknown> }>(["threads"]);
    assert.lengthOf(threads, 2);
  });

  it("is gone gets none in its place: known by store.json, and without it by the database", async () => {
    await using stage = new Stage();
    await filled(stage);
    assert.strictEqual((await stage.run(["status"])).code, 0);
    renameSync(join(stage.data, "nats"), join(stage.folder, "nats-before"));
    assert.strictEqual((await statusOf(stage)).conditions[0]?.name, "streamMissing");
    rmSync(join(stage.data, "store.json"));
    const up = await stage.up();
    assert.strictEqual((await statusOf(stage)).conditions[0]?.name, "streamMissing");
    await up.end("SIGTERM");
    assert.strictEqual(streamFolder(stage), "none");
    assert.isFalse(existsSync(join(stage.data, "store.json")));

    rmSync(join(stage.data, "nats"), { recursive: true });
    renameSync(join(stage.folder, "nats-before"), join(stage.data, "nats"));
    assert.deepInclude((await stage.json<Status>(["status"])).stream, { messages: 3 });
  });

  it("is another folder's is refused by everything that would write, and read by nobody", async () => {
    await using stage = new Stage();
    await using other = new Stage();
    await filled(stage);
    await filled(other);
    rmSync(join(stage.data, "nats"), { recursive: true });
    cpSync(join(other.data, "nats"), join(stage.data, "nats"), { recursive: true });
    for (const words of [["up"], ["status"], ["verify"], ["import", join(stage.folder, "a.jsonl")]]) {
      const { code, err } = await stage.run(words);
      assert.strictEqual(code, 5, `${words[0]}: ${err}`);
      assert.match(err, /another stream RECOLLECT \(identity [0-9a-f-]{36}\)/);
    }
    const { threads } = await stage.json<{ readonly threads: ReadonlyArray<unknown> }>(["threads"]);
    assert.lengthOf(threads, 1);
  });
});
