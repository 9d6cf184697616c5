/**
 * `task`: work for other agents: submitted, looked at, answered, cancelled.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import { type TaskResult, Tasks } from "../../../coordination/tasks/Tasks.ts";
import type { JsonObject, JsonValue } from "../../../domain/Json.ts";
import { shrunk } from "../../../query/brief/Budget.ts";
import { Desk } from "../Desk.ts";
import { maybeText, whole } from "../Parameters.ts";
import { known, minute } from "../../../query/brief/Plain.ts";
import { Refused } from "../Refusal.ts";
import { type Call, tool } from "../Tool.ts";

/** State of a task, for a model. */
const shown = (task: TaskResult, tokens: number): JsonObject => {
  const output = task.output === null || task.output === undefined ? undefined : (task.output as JsonValue);
  const asked = task.inputRequests.map(
    ({ key, message, schema }): JsonValue => known({ key, message, schema }) as JsonObject,
  );
  const all = known({
    task: task.taskId,
    status: task.status,
    worker: task.worker,
    attempt: task.attempt > 0 ? task.attempt : undefined,
    message: task.message,
    progress:
      task.progress === null ? undefined : task.total === null ? task.progress : `${task.progress} of ${task.total}`,
    waits_for: asked.length === 0 ? undefined : asked,
    output,
    error: task.error === null ? undefined : (known({ ...task.error }) as JsonObject),
    ended: minute(task.endedAt),
  }) as JsonObject;
  const fitted = shrunk(all, tokens - 80) as JsonObject;
  return {
    ...fitted,
    total: 1,
    truncated: fitted !== all,
    ...(fitted === all ? {} : { next: { max_tokens: Math.min(20_000, tokens * 2) } }),
  };
};

export const taskParameters = {
  action: Schema.Literals(["submit", "get", "answer", "cancel"]).annotate({ description: "What to do" }),
  task: maybeText(
    "Id of the task, for all but submit (there: an id of your own, so that a repeated call is one task)",
    200,
  ),
  agent_type: maybeText("submit: which kind of worker is to do it", 100),
  message: maybeText("submit: what to do. answer: the answer. cancel: why.", 100_000),
  description: maybeText("submit: in a few words what it is about", 200),
  folder: maybeText("submit: working directory"),
  model: maybeText("submit: which model is to do it", 100),
  thread: maybeText("submit: thread that it works for"),
  priority: Schema.optionalKey(
    Schema.Literals(["high", "normal", "low"]).annotate({ description: "submit: default normal" }),
  ),
  attempts: whole("submit: how often it may be tried, 1 to 20. Default 3.", 1, 20),
  key: maybeText("answer: which of the requests it waits for. Default: all.", 200),
};

const submitted = Schema.Struct(taskParameters);

/** Submits what the parameters say. */
export const submit = Effect.fnUntraced(function* (input: typeof submitted.Type, call: Call) {
  const { agent_type: agentType, message } = input;
  if (agentType === undefined || message === undefined)
    return yield* new Refused({
      message: "A task has an agent_type and a message.",
      hint: "agent_type says which kind of worker takes it.",
    });
  const writing = yield* (yield* Desk).writing;
  const request = {
    agentType,
    message,
    ...known({ description: input.description, workingDirectory: input.folder, model: input.model }),
  };
  const submission = known({
    id: input.task,
    threadId: input.thread ?? call.who.thread,
    priority: input.priority,
    maxAttempts: input.attempts,
  });
  return yield* Effect.provideContext(
    Tasks.use((tasks) => tasks.submit(request, submission)),
    writing,
  );
});

export const task = tool({
  name: "task",
  title: "Give work to other agents",
  description: `Work for other agents, which waits durably until a worker of its agent type takes it. submit needs agent_type and message and answers with the task's id at once; get says how it stands (pending, starting, running, input_required, completed, failed, timeout, cancelled) and, when it is over, its output; answer answers what it waits for (waits_for); cancel ends it. Ask get again after seconds, not at once. total is 1.`,
  deed: "tasks",
  isIdempotent: false,
  parameters: taskParameters,
  handle: Effect.fnUntraced(function* (input, call) {
    if (input.action === "submit") {
      const { taskId, where } = yield* submit(input, call);
      return { task: taskId, status: "pending", stored: String(where), total: 1, truncated: false };
    }
    const { key, message, task: id } = input;
    if (id === undefined)
      return yield* new Refused({ message: "Which task?", hint: "Give task, the id that submit answered." });
    if (input.action === "answer" && message === undefined)
      return yield* new Refused({ message: "An answer has words.", hint: "Give message." });
    const writing = yield* (yield* Desk).writing;
    const done = Tasks.use((tasks) => {
      if (input.action === "cancel") return tasks.cancel(id, message);
      if (input.action === "answer") return tasks.provideInput(id, known({ message, key }));
      return tasks.show(id);
    });
    return shown(yield* Effect.provideContext(done, writing), call.tokens);
  }),
});
