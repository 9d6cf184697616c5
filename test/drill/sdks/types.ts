/** Each entry point is what its SDK's own types ask for. */
import type { SessionStore } from "@anthropic-ai/claude-agent-sdk";
import { foldSessionSummary } from "@anthropic-ai/claude-agent-sdk";
import { DefaultRequestHandler, type TaskStore } from "@a2a-js/sdk/server";
import { MemorySaver, type BaseCheckpointSaver } from "@langchain/langgraph-checkpoint";
import type { TaskStore as McpTasks } from "@modelcontextprotocol/sdk/experimental/tasks/interfaces.js";
import type { EventStore } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import type { EventStore as EventStore2 } from "@modelcontextprotocol/server";
import {
  Agent,
  run,
  type Session,
  type SessionHistoryRewriteAwareSession,
  type SessionHistoryTransactionAwareSession,
} from "@openai/agents-core";
import type { UIMessage } from "ai";
import { createResumableStreamContext } from "resumable-stream/generic";
import { Recollect } from "recollect";
import * as a2a from "recollect/a2a";
import * as ai from "recollect/ai-sdk";
import * as claude from "recollect/claude-agent-sdk";
import * as langgraph from "recollect/langgraph";
import * as mcp from "recollect/mcp-sdk";
import * as openai from "recollect/openai-agents";

const recollect = await Recollect.connect();
export const store: SessionStore = claude.sessionStore(recollect, { foldSessionSummary });
export const session: Session & SessionHistoryTransactionAwareSession & SessionHistoryRewriteAwareSession =
  openai.session(recollect, "t");
export const ran = await run(new Agent({ name: "a" }), "", { session: openai.session(recollect, "t") });
export const saver: BaseCheckpointSaver = new langgraph.RecollectSaver(recollect, { serde: new MemorySaver().serde });
export const messages: Array<UIMessage> = await ai.chatStore(recollect).load<UIMessage>("t");
await ai.chatStore(recollect).save({ chatId: "t", messages });
export const context = createResumableStreamContext({ waitUntil: null, ...ai.resumableStreams(recollect) });
export const events: EventStore = mcp.eventStore(recollect);
export const events2: EventStore2 = mcp.eventStore(recollect);
export const tasks: McpTasks = mcp.taskStore(recollect);
export const a2aTasks: TaskStore = a2a.taskStore(recollect);
export const handler = (
  card: ConstructorParameters<typeof DefaultRequestHandler>[0],
  executor: ConstructorParameters<typeof DefaultRequestHandler>[2],
) => new DefaultRequestHandler(card, a2a.taskStore(recollect), executor);
