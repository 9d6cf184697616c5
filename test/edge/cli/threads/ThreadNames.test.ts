import { assert, describe, it } from "@effect/vitest";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodes } from "../../../../src/edge/cli/Failure.ts";
import { session, Stage } from "../Program.ts";

describe("a thread that is named on the command line", { timeout: 240_000 }, () => {
  it("is the one of the list by its number, whichever tenant has it, and is said to be of a place and time or not", async () => {
    await using stage = new Stage();
    const ours = join(stage.folder, "ours.jsonl");
    const theirs = join(stage.folder, "theirs.jsonl");
    writeFileSync(ours, session("s1", ["our secret plan"]));
    writeFileSync(theirs, session("s1", ["their plan", "and one more"]));
    await stage.up();
    assert.deepInclude(await stage.run(["import", ours]), { code: 0 });
    assert.deepInclude(await stage.run(["import", theirs, "--tenant", "acme"]), { code: 0 });

    const { err, out } = await stage.run(["threads"]);
    const [header = "", first = "", second = ""] = out.split("\n");
    assert.match(header, /thread +tenant/, err);
    const isFirst = first.includes(" acme ");
    assert.notStrictEqual(isFirst, second.includes(" acme "));
    const number = isFirst ? "1" : "2";
    for (const words of [["thread"], ["export"], ["export", "--format", "md"], ["hand-over"]])
      assert.include((await stage.run([...words, number])).out, "their plan", words.join(" "));
    assert.include((await stage.run(["thread", isFirst ? "2" : "1"])).out, "our secret plan");
    assert.match((await stage.run(["hand-over", number])).out, / thread s1 --tenant acme --around PLACE/);

    const nowhere = await stage.run(["thread", number, "--around", "999999999"]);
    assert.strictEqual(nowhere.code, exitCodes.notFound);
    assert.match(nowhere.err, /999999999 is no place of thread s1: it goes from \d+ to \d+\./);
    const early = await stage.run(["thread", number, "--as-of", "2020-01-01"]);
    assert.strictEqual(early.code, exitCodes.notFound);
    assert.include(early.err, "Thread s1 was not there as of 2020-01-01.");
    const crumbs = readdirSync(stage.data).filter((name) => name.startsWith("last-list.json."));
    assert.deepStrictEqual(crumbs, []);

    for (const words of [
      ["access", "revoke", "nobody"],
      ["access", "token", "revoke", "nobody"],
    ])
      assert.strictEqual((await stage.run(words)).code, exitCodes.notFound, words.join(" "));
    // A folder that is there and takes none: Node's own way to make folders would never return.
    if (!existsSync("/proc/self")) return;
    for (const words of [
      ["backup", "/proc/nope"],
      ["up", "--data", "/proc/nope"],
    ]) {
      const refused = await stage.run(words);
      assert.strictEqual(refused.code, exitCodes.unavailable, words.join(" "));
      assert.include(refused.err, "/proc/nope is not there and cannot be made (ENOENT).");
    }
  });
});
