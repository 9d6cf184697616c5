import { assert, describe, it } from "@effect/vitest";
import type { Message } from "../../../../src/coordination/inbox/Inbox.ts";
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
    const message = await stage.json<Message>(["inbox", "read", "reviewer", "--wait", "300"]);
    assert.deepInclude(message, { from: "planner", to: "reviewer", body: { diff: "…" }, isRequest: true });
    await stage.json(["inbox", "reply", "reviewer", message.id, "it is fine"]);
    assert.deepInclude(await asked, { body: "it is fine", from: "reviewer", inReplyTo: message.id });
    const gone = await stage.run(["inbox", "ack", "reviewer", message.id]);
    assert.strictEqual(gone.code, 4);
    assert.match(gone.err, /^recollect: There is no message .* in the inbox of reviewer\.\n {2}.*inbox list/);
    const sent = (await stage.run(["inbox", "send", "reviewer", "[1]", "--from", "a script"])).out.trim();
    type Listed = { readonly waiting: number; readonly messages: ReadonlyArray<object> };
    const { messages, waiting } = await stage.json<Listed>(["inbox", "list", "reviewer"]);
    assert.deepStrictEqual([messages.length, waiting], [1, 1]);
    assert.deepInclude(messages[0], { id: sent, body: [1], from: "a script", isRequest: false });
    assert.deepStrictEqual(await stage.json(["inbox", "clear", "reviewer"]), { messages: 1 });
  });
});
