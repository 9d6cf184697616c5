/** A stdio MCP server without a library: it answers `initialize` and every call at once, and ends with its input. */
import { createInterface } from "node:readline";

const answer = (id: unknown, result: unknown) =>
  process.stdout.write(`${JSON.stringify({ jsonrpc: "2.0", id, result })}\n`);
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  const serverInfo = { name: "tiny", version: "1" };
  if (method === "initialize") answer(id, { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo });
  else answer(id, { content: [{ type: "text", text: "ok" }] });
});
