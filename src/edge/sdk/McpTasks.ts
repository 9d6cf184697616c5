/**
 * The `TaskStore` of the MCP SDK, version 1, on tasks.
 *
 * Room: edge.
 */
import { randomUUID } from "node:crypto";
import { fromContent } from "../../domain/EventId.ts";
import { newId } from "./Appending.ts";
import type { AppendedEvent, EventFold, Histories, HistoryEvent } from "./Client.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";
import { SdkRefused } from "./SdkRefused.ts";

type Status = "working" | "input_required" | "completed" | "failed" | "cancelled";

/** A task as the protocol has it. */
export interface McpTask {
  taskId: string;
  status: Status;
  /** Milliseconds after which it is not found any more; null for never. */
  ttl: number | null;
  createdAt: string;
  lastUpdatedAt: string;
  pollInterval?: number;
  statusMessage?: string;
}

export interface McpTaskStore<Result> {
  createTask(
    params: { ttl?: number | null; pollInterval?: number; context?: Record<string, unknown> },
    requestId: string | number,
    request: { method: string; params?: unknown },
    sessionId?: string,
  ): Promise<McpTask>;
  getTask(taskId: string, sessionId?: string): Promise<McpTask | null>;
  storeTaskResult(taskId: string, status: "completed" | "failed", result: Result, sessionId?: string): Promise<void>;
  getTaskResult(taskId: string, sessionId?: string): Promise<Result>;
  updateTaskStatus(taskId: string, status: Status, statusMessage?: string, sessionId?: string): Promise<void>;
  listTasks(cursor?: string, sessionId?: string): Promise<{ tasks: Array<McpTask>; nextCursor?: string }>;
}

const created = "x.mcp.task_created";
const listed = "x.mcp.task_listed";
const pageSize = 10;

interface Created {
  readonly requestId: string | number;
  readonly method: string;
  readonly sessionId: string | null;
  readonly ttl: number | null;
  readonly pollInterval: number;
}

interface Output {
  readonly output?: unknown;
  readonly blob?: { readonly sha256: string } | undefined;
}

interface State {
  readonly created: Created | undefined;
  readonly status: Status;
  readonly statusMessage: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly result: Output | undefined;
}

interface Fields {
  readonly message?: string | null;
  readonly reason?: string | null;
  readonly error?: { readonly message?: string | null };
  readonly output?: unknown;
  readonly outputBlob?: { readonly sha256: string } | null;
}

const statusOf: Readonly<Record<string, Status>> = {
  "task.submitted": "working",
  "task.started": "working",
  "task.progressed": "working",
  "task.resumed": "working",
  "task.input_requested": "input_required",
  "task.completed": "completed",
  "task.failed": "failed",
  "task.timed_out": "failed",
  "task.cancelled": "cancelled",
};

const moved = (state: State, { data, occurredAt, type }: HistoryEvent, status: Status): State => {
  const { error, message, output, outputBlob, reason } = data as Fields;
  const said = message ?? reason ?? error?.message ?? undefined;
  const result = outputBlob == null ? (output == null ? undefined : { output }) : { blob: outputBlob };
  return {
    ...state,
    status: type === "task.progressed" ? state.status : status,
    statusMessage: said ?? state.statusMessage,
    createdAt: type === "task.submitted" ? occurredAt : state.createdAt,
    updatedAt: occurredAt,
    result: result ?? state.result,
  };
};

const task: EventFold<State> = {
  initial: {
    created: undefined,
    status: "working",
    statusMessage: undefined,
    createdAt: 0,
    updatedAt: 0,
    result: undefined,
  },
  apply: (state, event) => {
    if (event.type === created) return { ...state, created: event.data as Created };
    const status = statusOf[event.type];
    return status === undefined ? state : moved(state, event, status);
  },
};

interface Listing {
  readonly taskId: string;
  readonly sessionId: string | null;
}

const listings: EventFold<Listed<Listing>> = {
  initial: none,
  apply: (state, { data, type }) => (type === listed ? added(state, data as Listing) : state),
};

const isTerminal = (status: Status): boolean => status === "completed" || status === "failed" || status === "cancelled";

const isExpired = ({ created: made, createdAt, status, updatedAt }: State): boolean =>
  made?.ttl != null && made.ttl !== 0 && (isTerminal(status) ? updatedAt : createdAt) + made.ttl <= Date.now();

const isOf = (owner: string | null | undefined, sessionId: string | undefined): boolean =>
  owner == null || sessionId === undefined || owner === sessionId;

const asTask = (taskId: string, state: State): McpTask => ({
  taskId,
  status: state.status,
  ttl: state.created?.ttl ?? null,
  createdAt: new Date(state.createdAt).toISOString(),
  lastUpdatedAt: new Date(state.updatedAt).toISOString(),
  pollInterval: state.created?.pollInterval ?? 1_000,
  ...(state.statusMessage === undefined ? {} : { statusMessage: state.statusMessage }),
});

const notFound = (taskId: string) =>
  new SdkRefused(
    "NotFound",
    `Task with ID ${taskId} not found`,
    "It was never made, is another session's, or its ttl is over.",
  );

const ended = (taskId: string, { status }: State, what: string) =>
  new SdkRefused(
    "Ended",
    `Cannot ${what} task ${taskId} in terminal status '${status}': what has ended stays as it ended.`,
    "Make another task.",
  );

/** The event of our own that says the status. */
const moveTo = (status: Status, message: string | undefined, from: Status): AppendedEvent => {
  const said = message === undefined ? {} : { message };
  switch (status) {
    case "working":
      return { id: newId(), type: from === "input_required" ? "task.resumed" : "task.progressed", data: said };
    case "input_required":
      return { id: newId(), type: "task.input_requested", data: said };
    case "completed":
      return { id: newId(), type: "task.completed", data: {} };
    case "failed":
      return { id: newId(), type: "task.failed", data: { error: { type: "mcp", ...said } } };
    case "cancelled":
      return { id: newId(), type: "task.cancelled", data: message === undefined ? {} : { reason: message } };
  }
};

/**
 * Tasks for `new McpServer(…, { taskStore })`. Several servers may share them. Rejects with `SdkRefused`, code `NotFound` or
 * `Ended`, and with `LogUnavailable`: the same call is safe afterwards, but that a new task may have been made twice.
 */
export const taskStore = <Result = unknown>(recollect: Histories): McpTaskStore<Result> => {
  const index = recollect.history({ session: "mcp-tasks" });
  const historyOf = (taskId: string) => recollect.history({ task: taskId });

  const find = async (taskId: string, sessionId: string | undefined): Promise<State | undefined> => {
    if (taskId === "") return undefined;
    const { state } = await historyOf(taskId).folded(task);
    const isThere = state.created !== undefined && isOf(state.created.sessionId, sessionId) && !isExpired(state);
    return isThere ? state : undefined;
  };

  /** A move, decided on the task as it is: what another session, worker or person has ended stays so. */
  const move = async (
    taskId: string,
    sessionId: string | undefined,
    what: string,
    choose: (state: State) => ReadonlyArray<AppendedEvent>,
  ): Promise<void> => {
    if ((await find(taskId, sessionId)) === undefined) throw notFound(taskId);
    await historyOf(taskId).decide(task, (state) => {
      if (isTerminal(state.status)) throw ended(taskId, state, what);
      return choose(state);
    });
  };

  return {
    createTask: async (params, requestId, request, sessionId) => {
      const taskId = randomUUID();
      const { name, arguments: given } = (request.params ?? {}) as {
        readonly name?: unknown;
        readonly arguments?: unknown;
      };
      const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
      const data: Created = {
        requestId,
        method: request.method,
        sessionId: sessionId ?? null,
        ttl: params.ttl ?? null,
        pollInterval: params.pollInterval ?? 1_000,
      };
      const asked = {
        agentType: "mcp",
        description: typeof name === "string" ? name : request.method,
        ...(isObject ? { workflowParams: given } : {}),
      };
      const history = historyOf(taskId);
      await history.append(
        [
          { id: newId(), type: created, data },
          { id: newId(), type: "task.submitted", data: { request: asked } },
          { id: newId(), type: "task.started", data: {} },
        ],
        { expected: 0 },
      );
      const listing: Listing = { taskId, sessionId: sessionId ?? null };
      await index.append([{ id: fromContent(listed, index.tenant, taskId), type: listed, data: listing }]);
      return asTask(taskId, (await history.folded(task)).state);
    },
    getTask: async (taskId, sessionId) => {
      const state = await find(taskId, sessionId);
      return state === undefined ? null : asTask(taskId, state);
    },
    storeTaskResult: (taskId, status, result, sessionId) =>
      move(taskId, sessionId, "store the result of", () => [
        status === "completed"
          ? { id: newId(), type: "task.completed", data: { output: result } }
          : { id: newId(), type: "task.failed", data: { error: { type: "mcp" }, output: result } },
      ]),
    getTaskResult: async (taskId, sessionId) => {
      const state = await find(taskId, sessionId);
      if (state === undefined) throw notFound(taskId);
      const { result } = state;
      if (result === undefined)
        throw new SdkRefused("NotFound", `Task ${taskId} has no result stored`, "Ask for its status first.");
      if (result.blob === undefined) return result.output as Result;
      const bytes = await historyOf(taskId).blob(result.blob.sha256);
      if (bytes === undefined)
        throw new SdkRefused("Lost", `The result of task ${taskId} is lost.`, "recollect verify says what else is.");
      return JSON.parse(Buffer.from(bytes).toString("utf8"));
    },
    updateTaskStatus: (taskId, status, statusMessage, sessionId) =>
      move(taskId, sessionId, `update to '${status}'`, (state) => [moveTo(status, statusMessage, state.status)]),
    listTasks: async (cursor, sessionId) => {
      const all = toArray((await index.folded(listings)).state).filter((one) => isOf(one.sessionId, sessionId));
      const from = cursor === undefined ? 0 : all.findIndex(({ taskId }) => taskId === cursor) + 1;
      if (cursor !== undefined && from === 0)
        throw new SdkRefused("Invalid", `Invalid cursor: ${cursor}`, "Give the nextCursor of the page before.");
      const page = all.slice(from, from + pageSize);
      const states = await Promise.all(page.map(({ taskId }) => find(taskId, sessionId)));
      const tasks = states.flatMap((state, at) => (state === undefined ? [] : [asTask(page[at]?.taskId ?? "", state)]));
      const last = page.at(-1);
      return from + pageSize < all.length && last !== undefined ? { tasks, nextCursor: last.taskId } : { tasks };
    },
  };
};
