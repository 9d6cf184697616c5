import { assert, describe, it } from "@effect/vitest";
import { Recollect } from "recollect";
import { Stage, until } from "../Program.ts";

interface Listed {
  readonly sessions: ReadonlyArray<Readonly<Record<string, unknown>>>;
}

describe("recollect sessions", { timeout: 300_000 }, () => {
  it("lists who is active, with client and since when, and with --all how the others ended", async () => {
    await using stage = new Stage();
    await stage.up();
    await using recollect = await Recollect.connect({ data: stage.data });
    const { sessions } = recollect;
    const session = await sessions.register({ client: { name: "zed", version: "1" }, machine: "ant", processId: 7 });
    await session.join({ thread: "t" });
    await session.join({ task: "u" });

    const active = await stage.json<Listed>(["sessions"]);
    assert.lengthOf(active.sessions, 1);
    const { seenAt, startedAt, ...rest } = active.sessions[0] ?? {};
    assert.deepStrictEqual(rest, {
      sessionId: session.id,
      tenant: "default",
      client: "zed",
      clientVersion: "1",
      machine: "ant",
      processId: 7,
      threads: ["t"],
      tasks: ["u"],
    });
    assert.isAtMost(Math.abs(Number(seenAt) - Number(startedAt)), 60_000);
    const text = (await stage.run(["sessions"])).out;
    assert.match(text, new RegExp(`${session.id} +zed 1 +ant:7 +t +u`));

    await session.end("exit", { exitCode: 0 });
    assert.deepStrictEqual(await stage.json<Listed>(["sessions"]), { sessions: [] });
    const all = async () => (await stage.json<Listed>(["sessions", "--all"])).sessions[0] ?? {};
    while ((await all())["endedAt"] == null) await until(() => true);
    assert.deepInclude(await all(), { sessionId: session.id, machine: "ant", reason: "exit", exitCode: 0 });
    assert.match((await stage.run(["sessions", "--all"])).out, /zed 1 +ant:7 +exit 0/);
  });

  it("shows the events of one session with tail, and takes one of thread, task and session", async () => {
    await using stage = new Stage();
    await stage.up();
    await using recollect = await Recollect.connect({ data: stage.data });
    const { sessions } = recollect;
    await (await sessions.register({ id: "other" })).end("exit");
    await (await sessions.register({ id: "mine" })).end("exit");
    const tail = await stage.run(["tail", "--session", "mine", "--no-follow", "--json"]);
    const events = tail.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepStrictEqual(
      events.map(({ id, kind, type }) => [kind, id, type]),
      [
        ["session", "mine", "session.started"],
        ["session", "mine", "session.ended"],
      ],
    );
    const none = await stage.run(["tail", "--task", "none", "--no-follow"]);
    assert.deepStrictEqual([none.code, none.out], [4, ""]);
    assert.match(none.err, /There is no task none/);
    assert.strictEqual((await stage.run(["tail", "--task", "a", "--thread", "b"])).code, 2);
  });

  it("says that nobody is there", async () => {
    await using stage = new Stage();
    await stage.up();
    const { code, err, out } = await stage.run(["sessions"]);
    assert.deepStrictEqual([code, out], [0, ""]);
    assert.match(err, /No session is active/);
  });
});
