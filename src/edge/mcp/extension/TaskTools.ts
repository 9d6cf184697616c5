/**
 * Tools of this server whose calls are tasks for a client that knows the extension: `task` with `submit`.
 *
 * Room: edge.
 */
import { Effect, Option, Schema } from "effect";
import { objectAt } from "../../../domain/Json.ts";
import { defaultTokens } from "../../../query/brief/Budget.ts";
import { threadIn, toolUseIn } from "../Caller.ts";
import { Desk } from "../Desk.ts";
import { submit, taskParameters } from "../tools/Task.ts";
import type { Options, TaskTool } from "./TaskDispatch.ts";

const decode = Schema.decodeUnknownOption(Schema.Struct(taskParameters));

/** The tool as a task. A bad submission is left to the tool, which says why. */
const task: TaskTool = {
  name: "task",
  isRequired: false,
  begin: Effect.fnUntraced(function* (params, { desk, who }) {
    const input = decode(params["arguments"]);
    if (Option.isNone(input)) return undefined;
    const { action, agent_type: agentType, message } = input.value;
    if (action !== "submit" || agentType === undefined || message === undefined) return undefined;
    const meta = objectAt(params, "_meta");
    const call = {
      who: { ...who, thread: threadIn(meta) ?? who.thread },
      toolUse: toolUseIn(meta),
      client: undefined,
      tokens: defaultTokens,
    };
    const { taskId } = yield* Effect.provideService(submit(input.value, call), Desk, desk);
    return taskId;
  }),
};

/** A worker needs seconds at least. */
export const options: Options = { tools: [task], pollMillis: 1_000 };
