import { assert, describe, it } from "@effect/vitest";
import { RecollectSessions } from "../../../src/coordination/RecollectSessions.ts";
import { Stage, until } from "./Program.ts";

interface Listed {
  readonly sessions: ReadonlyArray<Readonly<Record<string, unknown>>>;
}

describe("recollect sessions", { timeout: 60_000 }, () => {
  it("lists who is active, with client and since when, and with --all how the others ended", async () => {
    await using stage = new Stage();
    const up = stage.start(["up", "--json"]);
    await until(() => up.out.includes("\n"));
    await using sessions = await RecollectSessions.connect({ data: stage.data });
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

  it("says that nobody is there", async () => {
    await using stage = new Stage();
    const up = stage.start(["up", "--json"]);
    await until(() => up.out.includes("\n"));
    const { code, err, out } = await stage.run(["sessions"]);
    assert.deepStrictEqual([code, out], [0, ""]);
    assert.match(err, /No session is active/);
  });
});
