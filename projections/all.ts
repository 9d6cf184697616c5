/**
 * All read models, in the order in which their rows are written.
 *
 * Room: projections.
 */
import type { Projection } from "../src/projection/Projection.ts";
import { agentMessages } from "./agentMessages.ts";
import { answers } from "./answers.ts";
import { configChanges } from "./configChanges.ts";
import { entries } from "./entries.ts";
import { filesRead } from "./filesRead.ts";
import { ledger } from "./ledger.ts";
import { limitRefusals } from "./limitRefusals.ts";
import { messages } from "./messages.ts";
import { paths } from "./paths.ts";
import { reusedResponses } from "./reusedResponses.ts";
import { search } from "./search.ts";
import { sessions } from "./sessions.ts";
import { tasks } from "./tasks.ts";
import { threads } from "./threads.ts";
import { tokenUsage } from "./tokenUsage.ts";
import { toolCalls } from "./toolCalls.ts";

export const readModels: ReadonlyArray<Projection> = [
  ledger,
  threads,
  paths,
  messages,
  toolCalls,
  filesRead,
  reusedResponses,
  tokenUsage,
  tasks,
  sessions,
  agentMessages,
  configChanges,
  limitRefusals,
  entries,
  answers,
  search,
];
