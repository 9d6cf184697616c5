import { assert, describe, it } from "@effect/vitest";
import type { Taken } from "../../../../src/coordination/inbox/Inbox.ts";
import { Recollect } from "recollect";
import { Stage } from "../Program.ts";

// Each command is a process that needs a second of a processor, which a busy machine takes ten for.
describe("recollect inbox", { timeout: 300_000 }, () => {
  it("hands a message to a script, which replies to it, and says so when nothing waits", async () => {
    await using stage = new Stage();
    await stage.up();
    await using recollect = await Recollect.connect({ data: stage.data });
    const { inbox } = recollect;
    const asked = inbox.request({ from: "planner", to: "reviewer", body: { diff: "…" }, ttlMillis: 300_000 });
    const message = await stage.json<Taken>(["inbox", "read", "reviewer", "--wait", "300"]);
    assert.deepInclude(message, { from: "planner", to: "reviewer", body: { diff: "…" }, isRequest: true });
    await stage.json(["inbox", "reply", "reviewer", message.receipt, "it is fine"]);
    assert.deepInclude(await asked, { body: "it is fine", from: "reviewer", inReplyTo: message.id });
    const gone = await stage.run(["inbox", "ack", "reviewer", message.receipt]);
    assert.strictEqual(gone.code, 4);
    assert.match(
      gone.err,
      /^recollect: No message in the inbox of reviewer is held by the receipt .*\.\n {2}.*inbox list/,
    );
    const sent = (await stage.run(["inbox", "send", "reviewer", "[1]", "--from", "a script"])).out.trim();
    type Listed = { readonly waiting: number; readonly messages: ReadonlyArray<object> };
    const { messages, waiting } = await stage.json<Listed>(["inbox", "list", "reviewer"]);
    assert.deepStrictEqual([messages.length, waiting], [1, 1]);
    assert.deepInclude(messages[0], { id: sent, body: [1], from: "a script", isRequest: false });
    const tried = await stage.json<Taken>(["inbox", "read", "reviewer", "--attempts", "1"]);
    await stage.json(["inbox", "release", "reviewer", tried.receipt, "--failed", "no such file"]);
    const { letters } = await stage.json<{ readonly letters: ReadonlyArray<object> }>(["inbox", "dead", "reviewer"]);
    assert.deepInclude(letters[0], { attempts: 1, reason: "no such file" });
    assert.deepStrictEqual(await stage.json(["inbox", "retry", "reviewer", sent]), { messages: 1 });
    assert.deepStrictEqual(await stage.json(["inbox", "clear", "reviewer"]), { messages: 1 });
  });
});
