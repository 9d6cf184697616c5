/**
 * The tasks extension of MCP (2026-07-28): its messages answered from our tasks, in front of Effect's server.
 *
 * Room: edge.
 *
 * Decision: in front, because the result types of Effect's server (4.1) are closed: a tool cannot answer with a task there. No
 * state of its own: a task's id is that of our task, so any process of the tenant answers for it, also after a restart.
 *
 * A client takes part when a request says so in `_meta`; for all others a tool that can be a task is the tool itself, and
 * `tasks/…` is refused with what is missing.
 */
import { Cause, type Context, Effect } from "effect";
import { TaskNotFound } from "../../../coordination/tasks/TaskErrors.ts";
import { Tasks } from "../../../coordination/tasks/Tasks.ts";
import * as History from "../../../domain/History.ts";
import { isObject, type JsonObject, objectAt, stringAt } from "../../../domain/Json.ts";
import { HistoryReading } from "../../../publish/HistoryReading.ts";
import { type Caller, may } from "../Caller.ts";
import { codes, type Dispatch, failure, type Reply, result } from "../Dispatch.ts";
import type { Writing } from "../Desk.ts";
import { inWords } from "../Refusal.ts";
import { answerOf, detailed, envelope, extensionName, times } from "./TaskWire.ts";

type Asked = Context.Service.Shape<typeof Caller>;

/** A tool whose calls are tasks. */
export interface TaskTool {
  readonly name: string;
  /** It cannot be called otherwise. */
  readonly isRequired: boolean;
  /** Begins the task of a call and gives its id; undefined: this call is for the tool itself. */
  readonly begin: (params: JsonObject, asked: Asked) => Effect.Effect<string | undefined, { readonly _tag: string }>;
}

export interface Options {
  readonly tools: ReadonlyArray<TaskTool>;
  /** Poll interval for the client, milliseconds. */
  readonly pollMillis: number;
}

/** Check of a message beside its body: over HTTP, its headers. */
export type Check = (message: JsonObject) => Reply | undefined;

/** The revision of the protocol that has the extension. */
const since = "2026-07-28";

const capabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
const versionKey = "io.modelcontextprotocol/protocolVersion";

const isDeclared = (params: JsonObject | undefined): boolean => {
  const capabilities = objectAt(objectAt(params, "_meta"), capabilitiesKey);
  return objectAt(objectAt(capabilities, "extensions"), extensionName) !== undefined;
};

const isOfRevision = (params: JsonObject | undefined): boolean =>
  stringAt(objectAt(params, "_meta"), versionKey) === since;

const missing = (message: JsonObject) =>
  failure(
    message,
    {
      code: codes.missingCapability,
      message: `This needs a client that declares the extension ${extensionName}`,
      data: { requiredCapabilities: { extensions: { [extensionName]: {} } } },
    },
    400,
  );

const done: JsonObject = { resultType: "complete" };

const methods = new Set(["tasks/get", "tasks/update", "tasks/cancel"]);

/** Tasks and their histories, as the caller may reach them. */
const onDesk = <A, E>(asked: Asked, use: Effect.Effect<A, E, Writing>) =>
  Effect.flatMap(asked.desk.writing, (writing) => Effect.provideContext(use, writing));

const timesOf = (taskId: string, tenant: string) =>
  Effect.map(
    HistoryReading.use((reading) => reading.folded(History.task(taskId, tenant), times)),
    ({ state }) => state,
  );

const handled = Effect.fnUntraced(function* (message: JsonObject, asked: Asked, { pollMillis }: Options) {
  const params = objectAt(message, "params");
  const taskId = stringAt(params, "taskId");
  if (taskId === undefined) return failure(message, { code: codes.invalidParams, message: "taskId is missing" });
  const tasks = yield* Tasks;
  const task = yield* tasks.show(taskId);
  switch (message["method"]) {
    case "tasks/cancel":
      // One that has ended stays as it ended, and the answer is the same.
      if (task.endedAt === null)
        yield* Effect.catchTag(tasks.cancel(taskId, "cancelled by the client"), "IllegalTransition", () => Effect.void);
      return result(message, done);
    case "tasks/update": {
      const responses = objectAt(params, "inputResponses");
      if (responses === undefined)
        return failure(message, { code: codes.invalidParams, message: "inputResponses is missing" });
      const open = new Set(task.inputRequests.map(({ key }) => key));
      for (const [key, response] of Object.entries(responses)) {
        if (open.has(key)) yield* tasks.provideInput(taskId, answerOf(key, response));
      }
      return result(message, done);
    }
    default:
      return result(message, detailed(task, yield* timesOf(taskId, asked.who.tenant), pollMillis));
  }
});

const created = Effect.fnUntraced(function* (
  message: JsonObject,
  taskId: string,
  asked: Asked,
  { pollMillis }: Options,
) {
  // Only a task that can be asked for now is one: the same read that `tasks/get` makes.
  const at = yield* timesOf(taskId, asked.who.tenant);
  return result(message, { resultType: "task", ...envelope(taskId, "working", at, pollMillis) });
});

/** Failure as JSON-RPC says it: what is not there was asked for wrongly. */
const failed = (message: JsonObject) => (cause: Cause.Cause<unknown>) =>
  Effect.sync((): Reply => {
    const isUnknown = Cause.squash(cause) instanceof TaskNotFound;
    return failure(message, { code: isUnknown ? codes.invalidParams : codes.internal, message: inWords(cause) });
  });

/** Answers what is of the extension; `who` is whoever sent the message. */
export const make = (options: Options, who: Effect.Effect<Asked>, check: Check = () => undefined): Dispatch => {
  const byName = new Map(options.tools.map((tool) => [tool.name, tool]));
  return (message) => {
    const params = objectAt(message, "params");
    const { method } = message;
    if (typeof method !== "string" || !("id" in message) || !isOfRevision(params)) return Effect.undefined;
    const isOfTasks = methods.has(method);
    const tool = method === "tools/call" ? byName.get(stringAt(params, "name") ?? "") : undefined;
    if (!isOfTasks && tool === undefined) return Effect.undefined;
    const misfit = isOfTasks || isDeclared(params) ? check(message) : undefined;
    if (misfit !== undefined) return Effect.succeed(misfit);
    return Effect.gen(function* () {
      const asked = yield* who;
      // A client that may not give tasks gets the answer of a server without them.
      if (!may(asked.who, "tasks")) return undefined;
      if (isOfTasks)
        return isDeclared(params) ? yield* onDesk(asked, handled(message, asked, options)) : missing(message);
      if (tool === undefined) return undefined;
      if (!isDeclared(params)) return tool.isRequired ? missing(message) : undefined;
      const taskId = yield* tool.begin(isObject(params) ? params : {}, asked);
      return taskId === undefined ? undefined : yield* onDesk(asked, created(message, taskId, asked, options));
    }).pipe(Effect.catchCause(failed(message)));
  };
};
