import { assert, describe, it } from "@effect/vitest";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { Recollect } from "../../../src/client/Recollect.ts";
import { session, Stage, until } from "./Program.ts";

const texts = (count: number) => Array.from({ length: count }, (_, n) => `text ${n}`);

interface Imported {
  readonly eventsAppended: number;
  readonly duplicates: number;
}
interface Listed {
  readonly threads: ReadonlyArray<{ readonly threadId: string }>;
}

/** Listens on a port of this machine until it is disposed. */
const taken = async (port: number): Promise<AsyncDisposable> => {
  const server = await new Promise<Server>((resolve, reject) => {
    const listening = createServer((socket) => socket.destroy());
    listening.once("error", reject);
    listening.listen(port, "127.0.0.1", () => resolve(listening));
  });
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) };
};

/** Nothing runs and nothing is locked: another command can begin at once. */
const assertFree = (stage: Stage) => {
  assert.isUndefined(stage.instance());
  assert.isFalse(stage.natsIsRunning());
};

describe("commands together", { timeout: 300_000 }, () => {
  it("share one store when none runs: all of them work, and leave nothing behind", async () => {
    await using stage = new Stage();
    const files = ["a", "b"].map((id) => {
      const file = join(stage.folder, `${id}.jsonl`);
      writeFileSync(file, session(id, texts(200)));
      return file;
    });
    const again = async (file: string): Promise<Imported> =>
      JSON.parse((await stage.start(["import", ...files, file, "--json"]).ended).out);
    const imported = await Promise.all(files.map(again));
    const sum = (of: keyof Imported) => imported.reduce((all, report) => all + report[of], 0);
    assert.strictEqual(sum("eventsAppended"), 400);
    assert.strictEqual(sum("duplicates"), 400);
    assertFree(stage);
    const status = await stage.json<{ readonly threads: number; readonly stream: object }>(["status"]);
    assert.deepInclude(status, { threads: 2 });
    assert.deepInclude(status.stream, { messages: 400 });
  });

  it("go on when the one whose store they use is killed, and see what comes", async () => {
    await using stage = new Stage();
    const file = join(stage.folder, "a.jsonl");
    writeFileSync(file, session("a", ["history"]) + session("b", ["of another thread"]));
    await stage.json(["import", file]);
    const up = await stage.up();
    const all = stage.start(["tail", "--json"]);
    const one = stage.start(["tail", "--thread", "a", "--json"]);
    await until(() => all.out.includes("of another") && one.out.includes("history"));

    await up.end("SIGKILL");
    await until(() => [all.pid, one.pid].includes(stage.instance()?.pid ?? 0));
    assert.strictEqual(stage.instance()?.role, "command");
    writeFileSync(file, session("a", ["live"], 1) + session("b", ["elsewhere"], 1));
    assert.strictEqual((await stage.json<Imported>(["import", file])).eventsAppended, 2);
    await until(() => all.out.includes("elsewhere") && one.out.includes("live"));
    assert.notInclude(one.out, "another");

    const ended = await Promise.all([all.end("SIGINT"), one.end("SIGINT")]);
    assert.deepStrictEqual(
      ended.map(({ code }) => code),
      [130, 130],
    );
    for (const { err } of ended) assert.notMatch(err, /\n {4}at |defect/);
    assertFree(stage);
    assert.strictEqual((await stage.run(["verify"])).code, 0);
  });

  it("go on where another program has taken the port of the one that was killed", async () => {
    await using stage = new Stage();
    const file = join(stage.folder, "a.jsonl");
    writeFileSync(file, session("a", ["history"]));
    await stage.json(["import", file]);
    const up = await stage.up();
    const portNow = () => Number(new URL(stage.instance()?.nats ?? "nats://none:0").port);
    const port = portNow();
    const tails = [stage.start(["tail", "--json"]), stage.start(["tail", "--json"])];
    await until(() => tails.every(({ out }) => out.includes("history")));

    for (const { pid } of tails) process.kill(pid, "SIGSTOP");
    await up.end("SIGKILL");
    await until(() => !stage.natsIsRunning());
    await using _ = await taken(port);
    for (const { pid } of tails) process.kill(pid, "SIGCONT");
    await until(() => tails.some(({ pid }) => pid === stage.instance()?.pid));
    assert.notStrictEqual(portNow(), port);
    writeFileSync(file, session("a", ["live"], 1));
    await stage.json(["import", file]);
    await until(() => tails.every(({ out }) => out.includes("live")));

    const { pid } = stage.instance() ?? {};
    const [first, second] = tails.toSorted((left) => (left.pid === pid ? -1 : 1));
    await first?.end("SIGINT");
    await until(() => stage.instance()?.pid === second?.pid);
    writeFileSync(file, session("a", ["alone"], 2));
    await stage.json(["import", file]);
    await until(() => second?.out.includes("alone") === true);
    await second?.end("SIGINT");
    assertFree(stage);
  });

  it("make a daemon wait for them, and say so; a second daemon is refused", async () => {
    await using stage = new Stage();
    const tail = stage.start(["tail"]);
    assert.strictEqual((await tail.ended).code, 4);
    writeFileSync(join(stage.folder, "a.jsonl"), session("a", ["one"]));
    await stage.json(["import", stage.folder]);
    const command = stage.start(["tail", "--json"]);
    await until(() => command.out.includes("one"));
    const up = stage.start(["up", "--json"]);
    await until(() => up.err.includes(`Waiting for process ${command.pid}, which is at work on ${stage.data}`));
    await command.end("SIGINT");
    await up.says("\n");
    const refused = await stage.run(["up"]);
    assert.strictEqual(refused.code, 5);
    assert.match(refused.err, new RegExp(`^recollect: Process ${up.pid} already uses the data folder .*\n {2}Use the`));
  });

  it("that only read see what publishers spooled while nobody ran", async () => {
    await using stage = new Stage();
    const recollect = await Recollect.connect({ data: stage.data, client: "test" });
    await recollect.thread("spooled").say({ role: "user", text: "nobody is there" });
    await recollect.close();
    const { threads } = await stage.json<Listed>(["threads", "--text", "nobody"]);
    assert.strictEqual(threads[0]?.threadId, "spooled");
    assertFree(stage);
  });

  it("end quietly when their reader has seen enough, and leave nothing running", async () => {
    await using stage = new Stage();
    writeFileSync(join(stage.folder, "a.jsonl"), session("a", texts(3000)));
    await stage.json(["import", stage.folder]);
    const { code, err, out } = await stage.shell("set -o pipefail; recollect tail --json | head -1");
    assert.deepStrictEqual([code, err, out.split("\n").length], [0, "", 2]);
    assertFree(stage);
    const rows = await stage.shell(`set -o pipefail; recollect sql "SELECT * FROM v_events" --csv | head -2`);
    assert.deepStrictEqual([rows.code, rows.err], [0, ""]);
  });
});

describe("recollect up", { timeout: 300_000 }, () => {
  it("ends on SIGTERM as on Ctrl-C with nothing left, and finds port and data again", async () => {
    await using stage = new Stage();
    const addresses: Array<string> = [];
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const up = await stage.up();
      const { http, nats, ...rest } = JSON.parse(up.out);
      assert.match(http, /^http:\/\/127\.0\.0\.1:\d+$/);
      assert.deepStrictEqual(rest, { ready: true, database: join(stage.data, "recollect.db"), data: stage.data });
      addresses.push(nats, http);
      if (signal === "SIGTERM") {
        writeFileSync(join(stage.folder, "a.jsonl"), session("a", ["kept"]));
        await stage.json(["import", stage.folder]);
      } else assert.strictEqual((await stage.json<Listed>(["threads"])).threads.length, 1);
      const { code, err } = await up.end(signal);
      assert.strictEqual(code, signal === "SIGTERM" ? 0 : 130);
      assert.match(err, /Stopped\.\n$/);
      assertFree(stage);
    }
    assert.deepStrictEqual(addresses.slice(2), addresses.slice(0, 2));
  });

  it("names the transcripts of this machine while its store is empty, with commands that work as they stand", async () => {
    await using stage = new Stage();
    const home = join(stage.folder, "my home");
    const projects = join(home, ".claude", "projects", "-x");
    mkdirSync(projects, { recursive: true });
    writeFileSync(join(projects, "a.jsonl"), session("a", ["found"]));
    const moved = { HOME: home, XDG_CACHE_HOME: join(stage.folder, "cache"), CLAUDE_CONFIG_DIR: "", CODEX_HOME: "" };
    const up = stage.start(["up", "--data", stage.data], moved);
    await until(() => up.err.includes("wrap"));
    const command = /npx (recollect import .*?) {4}Claude Code: 1 file, \d+ B/.exec(up.err)?.[1];
    assert.isDefined(command, up.err);
    assert.strictEqual(up.out, "");
    const imported = await stage.shell(`${command} --json`);
    assert.deepInclude(JSON.parse(imported.out), { threads: 1, eventsAppended: 1 });
    await up.end("SIGINT");
    const again = stage.start(["up"], moved);
    await until(() => again.err.includes("wrap"));
    assert.notInclude(again.err, "Claude Code:");
    assert.include(readFileSync(join(stage.data, "port"), "utf8"), "\n");
  });
});
