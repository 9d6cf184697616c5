/** The Claude Agent SDK's functions over our session store, beside its own in memory. */
import {
  deleteSession,
  foldSessionSummary,
  forkSession,
  getSessionMessages,
  InMemorySessionStore,
  listSessions,
  renameSession,
  tagSession,
} from "@anthropic-ai/claude-agent-sdk";
import { sessionStore } from "recollect/claude-agent-sdk";
import { connect } from "./connect.mjs";

const dir = "/home/ana/app";
const projectKey = "-home-ana-app";
const entries = (sessionId) => {
  const uuids = Array.from({ length: 4 }, (_, at) => `00000000-0000-4000-8000-00000000000${at}`);
  return uuids.map((uuid, at) => ({
    parentUuid: at === 0 ? null : uuids[at - 1],
    isSidechain: false,
    userType: "external",
    cwd: dir,
    sessionId,
    version: "2.1.0",
    gitBranch: "main",
    type: at % 2 === 0 ? "user" : "assistant",
    uuid,
    timestamp: new Date(1_796_000_000_000 + at * 1_000).toISOString(),
    message:
      at % 2 === 0
        ? { role: "user", content: `question ${at}` }
        : {
            id: `msg_${at}`,
            type: "message",
            role: "assistant",
            model: "m",
            content: [{ type: "text", text: `answer ${at}` }],
            stop_reason: "end_turn",
            usage: { input_tokens: 10, output_tokens: 2 },
          },
  }));
};
/** What the two stores may differ in: clocks, and ids that the SDK makes. */
const plain = (value) =>
  JSON.parse(
    JSON.stringify(value ?? null, (key, inner) => (/mtime|modified|lastModified|created/i.test(key) ? 0 : inner)),
  );

describe("a session store", () => {
  it.each([true, false])(
    "answers the SDK's functions as the one in memory, with summaries: %s",
    async (hasSummaries) => {
      const [one, two] = [await connect(), await connect()];
      const options = hasSummaries ? { foldSessionSummary } : {};
      const memory = new InMemorySessionStore();
      if (!hasSummaries) memory.listSessionSummaries = undefined;
      const seen = [];
      for (const [writer, reader] of [
        [sessionStore(one, options), sessionStore(two, options)],
        [memory, memory],
      ]) {
        const said = [];
        const sessionId = "11111111-1111-4111-8111-111111111111";
        const key = { projectKey, sessionId };
        for (const entry of entries(sessionId)) await writer.append(key, [entry]);
        await writer.append({ ...key, subpath: "subagents/agent-a" }, entries(sessionId).slice(0, 1));
        said.push(await getSessionMessages(sessionId, { dir, sessionStore: reader }));
        await renameSession(sessionId, "A title", { dir, sessionStore: reader });
        await tagSession(sessionId, "kept", { dir, sessionStore: writer });
        said.push(await listSessions({ dir, sessionStore: reader }));
        const { sessionId: forked } = await forkSession(sessionId, { dir, sessionStore: reader });
        said.push((await getSessionMessages(forked, { dir, sessionStore: writer })).map(({ message }) => message));
        said.push((await listSessions({ dir, sessionStore: writer })).length, await reader.listSubkeys(key));
        await deleteSession(sessionId, { dir, sessionStore: writer });
        said.push(
          await reader.load(key),
          (await listSessions({ dir, sessionStore: reader })).length,
          await reader.listSubkeys(key),
        );
        await deleteSession(forked, { dir, sessionStore: writer });
        seen.push(plain(said));
      }
      expect(seen[0]).toEqual(seen[1]);
      expect(seen[0][0].length).toBe(4);
      const views = await one.thread("11111111-1111-4111-8111-111111111111").read({ deleted: true });
      expect(views.messages.map(({ text }) => text)).toEqual(["question 0", "answer 1", "question 2", "answer 3"]);
      if (!hasSummaries) return;
      // Deleted, and begun anew by the next round.
      await one.thread("11111111-1111-4111-8111-111111111111").restore();
    },
  );
});
