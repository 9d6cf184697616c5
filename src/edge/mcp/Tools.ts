/**
 * The tools of the MCP server, in the order in which a model reads them.
 *
 * Room: edge.
 */
import type { Registered } from "./Tool.ts";
import { append, fork } from "./tools/Append.ts";
import { handOver } from "./tools/HandOver.ts";
import { listThreads } from "./tools/ListThreads.ts";
import { readThread } from "./tools/ReadThread.ts";
import { search } from "./tools/Search.ts";
import { sqlQuery } from "./tools/SqlQuery.ts";
import { task } from "./tools/Task.ts";
import { usage } from "./tools/Usage.ts";

export const tools: ReadonlyArray<Registered> = [
  search,
  readThread,
  listThreads,
  handOver,
  sqlQuery,
  usage,
  append,
  fork,
  task,
];
