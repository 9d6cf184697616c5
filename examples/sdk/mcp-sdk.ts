/** A server of the MCP SDK that resumes streams and keeps tasks. Run it beside `npm start`: `npx node examples/sdk/mcp-sdk.ts`. */
// #region mcp
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { Result } from "@modelcontextprotocol/sdk/types.js";
import { Recollect } from "recollect";
import { eventStore, taskStore } from "recollect/mcp-sdk";

const recollect = await Recollect.connect();
const tasks = taskStore<Result>(recollect);
const sessionId = crypto.randomUUID();
const events = eventStore(recollect, { session: sessionId });
const server = new McpServer({ name: "weather", version: "1" }, { capabilities: { tasks: {} }, taskStore: tasks });
const transport = { sessionIdGenerator: () => sessionId, eventStore: events };
await server.connect(new WebStandardStreamableHTTPServerTransport(transport));
console.log(await tasks.createTask({}, 1, { method: "tools/call", params: { name: "forecast" } }));
await server.close();
await recollect.close();
// #endregion mcp
