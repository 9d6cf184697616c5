import { assert, describe, it } from "@effect/vitest";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Recollect } from "recollect";
import { session, Stage } from "../Program.ts";

type Json = Readonly<Record<string, unknown>>;

/** Changed longer ago than a moment. */
const license = resolve(import.meta.dirname, "../../../../LICENSE");

describe("recollect files and cache", { timeout: 300_000 }, () => {
  it("list what a thread read and show it as it was, and tell what the caches hold and forget", async () => {
    await using stage = new Stage();
    await stage.up();
    await using cache = await Recollect.connect({ data: stage.data, patienceMillis: 10_000, machine: "m" });
    await cache.files.read(license, { thread: "reader", fromLine: 2, toLine: 3 });
    // What is held when the connection is made is dropped: somebody may have told of a change before it was there.
    while ((await cache.files.read(license)).from === "disk");
    await cache.responses.reuse({ kind: "tool", name: "t", request: 1 }, async () => "one");
    while (!(await cache.responses.forget({ kind: "tool", name: "other" })));

    const listed = async () => (await stage.json<{ files: ReadonlyArray<Json> }>(["files", "reader"])).files;
    const [file] = await listed();
    assert.deepInclude(file, { path: license, fromLine: 2, toLine: 3, isChanged: 0, machine: null });
    const shown = await stage.run(["files", "reader", "--show", String(file?.["sha256"]).slice(0, 12)]);
    assert.strictEqual(shown.out, readFileSync(license, "utf8"));
    const none = await stage.run(["files", "reader", "--show", "other", "--at", String(file?.["sequence"])]);
    assert.deepStrictEqual([none.code, none.out], [4, ""]);

    const [line = ""] = session("imported", ["read it"]).split("\n");
    const shownFile = { filePath: "/src/a.ts", content: "as shown\n", startLine: 1, numLines: 1, totalLines: 1 };
    const toolUseResult = { type: "text", file: shownFile };
    writeFileSync(join(stage.folder, "imported.jsonl"), `${JSON.stringify({ ...JSON.parse(line), toolUseResult })}\n`);
    assert.strictEqual((await stage.run(["import", join(stage.folder, "imported.jsonl")])).code, 0);
    const [seen] = (await stage.json<{ files: ReadonlyArray<Json> }>(["files", "imported"])).files;
    assert.deepInclude(seen, { path: "/src/a.ts", isShown: 1, contentBytes: 9 });
    assert.strictEqual((await stage.run(["files", "imported", "--show", "/src/a.ts"])).out, "as shown\n");

    const stats = await stage.json<{ processes: ReadonlyArray<Json> }>(["cache", "stats"]);
    const found = stats.processes.find((one) => one["cache"] === "files");
    assert.deepInclude(found, { process: `m ${process.pid}` });
    assert.isAbove(Number(found?.["hitRate"]), 0);
    assert.deepStrictEqual(await stage.json(["cache", "forget", "--path", license]), { told: true });
    assert.strictEqual((await cache.files.read(license)).from, "disk");
  });
});
