import { assert, describe, it } from "@effect/vitest";
import { appendFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { session, Stage, until } from "../Program.ts";

interface Following {
  readonly following: ReadonlyArray<{ readonly pid: number; readonly events: number }>;
}

const following = (stage: Stage): number =>
  existsSync(stage.data) ? readdirSync(stage.data).filter((name) => name.startsWith("following-")).length : 0;

describe("transcripts that are followed", { timeout: 240_000 }, () => {
  it("by recollect up where it is configured: also what came while it was killed, and sources says so", async () => {
    await using stage = new Stage();
    const projects = join(stage.folder, ".claude", "projects", "p");
    const file = join(projects, "a.jsonl");
    mkdirSync(projects, { recursive: true });
    appendFileSync(file, session("a", ["one"]));
    const environment = { HOME: stage.folder, RECOLLECT_IMPORT_FOLLOW: "true", CLAUDE_CONFIG_DIR: "", CODEX_HOME: "" };
    const up = () => stage.start(["up", "--json"], environment).says('"ready":true');
    const first = await up();
    const tail = stage.start(["tail", "--json"]);
    await until(() => tail.out.includes("one") && following(stage) === 1);
    appendFileSync(file, session("a", ["two"], 1));
    await until(() => tail.out.includes("two"));
    await tail.end();
    const sources = await stage.run(["sources", "--json"], environment);
    assert.strictEqual((JSON.parse(sources.out) as Following).following[0]?.pid, first.pid);
    await first.end("SIGKILL");
    appendFileSync(file, session("a", ["three"], 2));
    const second = await up();
    const again = stage.start(["tail", "--json"]);
    await until(() => again.out.includes("three"));
    await again.end();
    await second.end();
    assert.strictEqual((await stage.run(["sql", "SELECT count(*) AS n FROM v_messages", "--csv"])).out.trim(), "n\n3");
  });

  it("by recollect import --follow: each change is a line, and Ctrl-C ends it with everything on disk", async () => {
    await using stage = new Stage();
    const folder = join(stage.folder, "logs");
    mkdirSync(folder);
    appendFileSync(join(folder, "a.jsonl"), session("a", ["one"]));
    const follower = await stage.start(["import", folder, "--follow", "--json"]).says('"following":true');
    appendFileSync(join(folder, "a.jsonl"), session("a", ["two", "three"], 1));
    await until(() => follower.out.split("\n").length > 2);
    const [begun, news] = follower.out.trim().split("\n");
    assert.deepInclude(JSON.parse(begun ?? ""), { files: 1, folders: 1, polled: 0 });
    assert.deepInclude(JSON.parse(news ?? ""), { path: join(folder, "a.jsonl"), events: 2, refused: [] });
    const { err } = await follower.end();
    assert.match(err, /Ended/);
    assert.strictEqual(following(stage), 0);
    const refused = await stage.run(["import", folder, "--follow", "--again"]);
    assert.strictEqual(refused.code, 2);
  });
});
