/** Tools of the conformance suite whose calls are tasks: submitted to our queue, and done by a worker of ours. */
import { Effect } from "effect";
import { setTimeout as sleep } from "node:timers/promises";
import { Tasks } from "../../../src/coordination/tasks/Tasks.ts";
import { objectAt, stringAt } from "../../../src/domain/Json.ts";
import type { Options, TaskTool } from "../../../src/edge/mcp/extension/TaskDispatch.ts";
import type { Recollect } from "../../../src/index.ts";

const agentType = "conformance";

/** `isRequired` where the suite wants it so; `test_tool_with_task` asks its client first, without a task. */
const taskTool = (name: string, isRequired = false): TaskTool => ({
  name,
  isRequired,
  begin: Effect.fnUntraced(function* (params, { desk }) {
    const given = objectAt(params, "inputResponses");
    if (name === "test_tool_with_task" && given === undefined) return undefined;
    const message = JSON.stringify({ name, arguments: params["arguments"] ?? {}, given: given ?? {} });
    const submitted = Tasks.use((tasks) => tasks.submit({ agentType, message }, { maxAttempts: 1 }));
    const { taskId } = yield* Effect.provideContext(submitted, yield* desk.writing);
    return taskId;
  }),
});

export const options: Options = {
  pollMillis: 100,
  tools: [
    taskTool("slow_compute"),
    taskTool("confirm_delete"),
    taskTool("multi_input"),
    taskTool("failing_job", true),
    taskTool("protocol_error_job"),
    taskTool("test_tool_with_task", true),
  ],
};

interface Asked {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly given: Readonly<Record<string, unknown>>;
}

const says = (text: string, isError = false) => ({ content: [{ type: "text", text }], isError });

/** Works until it is stopped. */
export const work = (client: Recollect) =>
  client.tasks.work({
    agentTypes: [agentType],
    concurrency: 32,
    run: async ({ request, requestInput, signal }) => {
      const asked = JSON.parse(request.message ?? "{}") as Asked;
      switch (asked.name) {
        case "slow_compute":
          await sleep(Number(asked.arguments["seconds"] ?? 0) * 1_000, undefined, { signal });
          return says("computed");
        case "failing_job":
          await sleep(1_000, undefined, { signal });
          return says("it did not work", true);
        case "protocol_error_job":
          throw Object.assign(new Error("it broke"), { retry: "never" });
        case "confirm_delete":
          return says(`confirmed ${JSON.stringify((await requestInput("Really?")).value)}`);
        case "multi_input": {
          const both = await Promise.all([
            requestInput("First?", { key: "first" }),
            requestInput("Second?", { key: "second" }),
          ]);
          return says(JSON.stringify(both));
        }
        default:
          return says(
            `Hello, ${stringAt(objectAt(objectAt(asked.given, "user_name"), "content"), "name") ?? "nobody"}!`,
          );
      }
    },
  });
