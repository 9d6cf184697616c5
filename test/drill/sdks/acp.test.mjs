/** The Agent Client Protocol's own SDK as an editor of recorded sessions. */
import { client, methods, ndJsonStream } from "@agentclientprotocol/sdk";
import { spawn } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { Recollect } from "recollect";

const program = new URL(import.meta.resolve("recollect/package.json")).pathname.replace(
  "package.json",
  "bin/recollect.mjs",
);
const url = process.env["RECOLLECT_NATS_URL"];

describe("the record as an agent", () => {
  it("is initialized, lists, loads and answers as the SDK's client asks it to", async () => {
    const data = mkdtempSync(join(process.env["DRILL_FOLDER"], "data-"));
    const recollect = await Recollect.connect({ url, data, patienceMillis: 10_000 });
    const thread = recollect.thread(`acp-${crypto.randomUUID()}`);
    await thread.say({ role: "user", text: "Will it rain in Ghent?" });
    const call = await thread.toolCalled({ name: "fetch", arguments: { city: "Ghent" } });
    await call.returned({ rain: true });
    await thread.say({ role: "assistant", text: "Yes, take an umbrella." });
    await recollect.close();
    const agent = spawn(process.execPath, [program, "acp", "--data", data, "--nats-url", url], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const told = [];
    const stream = ndJsonStream(Writable.toWeb(agent.stdin), Readable.toWeb(agent.stdout));
    const editor = client({ name: "an editor" }).onNotification(methods.client.session.update, ({ params }) => {
      told.push(params);
    });
    await editor.connectWith(stream, async (record) => {
      const asked = { protocolVersion: 1, clientCapabilities: {} };
      const { agentCapabilities } = await record.request(methods.agent.initialize, asked);
      expect(agentCapabilities.loadSession).toBe(true);
      const { sessions } = await record.request(methods.agent.session.list, {});
      expect(sessions.map(({ sessionId }) => sessionId)).toContain(thread.id);
      const sessionId = thread.id;
      await record.request(methods.agent.session.load, { sessionId, cwd: "/", mcpServers: [] });
      expect(told.map(({ update }) => update.sessionUpdate)).toEqual([
        "user_message_chunk",
        "tool_call",
        "agent_message_chunk",
      ]);
      expect(told[1].update).toMatchObject({ kind: "fetch", status: "completed", rawInput: { city: "Ghent" } });
      const prompt = [{ type: "text", text: "go on" }];
      expect(await record.request(methods.agent.session.prompt, { sessionId, prompt })).toEqual({
        stopReason: "end_turn",
      });
      expect(told.at(-1).update.content.text).toContain("Will it rain in Ghent?");
    });
    agent.stdin.end();
    agent.kill();
  });
});
