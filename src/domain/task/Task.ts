/**
 * The rule book of a task: what may happen to it, and what state its events leave it in. Pure.
 *
 * Room: domain.
 *
 * Every move of a task is decided here: publishers, the spool's drain, workers, the command line.
 *
 * Laws: deciding twice decides nothing: a move to the status that the task already has adds no event, nor does a second
 * submission. An ended task stays as it ended, so that a reported end is never wrong: another try is another
 * task, and a second end with another result is refused. A held task is moved by its worker alone: these moves name the
 * claim, and a move without it or with an earlier one is `LeaseLost`.
 */
import { Result, Schema } from "effect";
import type { EventTypeName } from "../Event.ts";
import * as EventId from "../EventId.ts";
import type { TaskStatus } from "../Fact.ts";
import type { Sequence } from "../History.ts";
import { isObject } from "../Json.ts";

export type TaskEventName = Extract<EventTypeName, `task.${string}`>;

/** The claim that a task is held by. A claim through the work queue names where its holder can be asked. */
export interface Held {
  /** Sequence of the claim: the fencing token. */
  readonly token: Sequence;
  /** Undefined for a claim that was not made through the queue: such a task has no holder. */
  readonly holder: string | undefined;
}

/** State of a task, as far as decisions need it. */
export interface TaskState {
  /** Undefined as long as the task was not submitted. */
  readonly status: TaskStatus | undefined;
  readonly lease: Held | undefined;
  /** Identity of an end among others; undefined while the task has not ended. */
  readonly endKey: string | undefined;
  /** Keys of the requests for input without an answer, in the order in which they were asked. */
  readonly asked: ReadonlyArray<string>;
}

export const notSubmitted: TaskState = { status: undefined, lease: undefined, endKey: undefined, asked: [] };

/** A request for input without a key of its own. */
export const onlyInput = "input";
/** Open requests of one task: more than a person answers, and few enough to be shown. */
export const mostAsked = 64;

/** A requested move: an event with its data. */
export interface TaskMove {
  readonly type: TaskEventName;
  readonly data: unknown;
}

/** Status that each event leads to; progress and logs lead nowhere. */
const leadsTo: Readonly<Record<TaskEventName, TaskStatus | undefined>> = {
  "task.submitted": "pending",
  "task.claimed": "starting",
  "task.released": "pending",
  "task.started": "running",
  "task.progressed": undefined,
  "task.logged": undefined,
  "task.input_requested": "input_required",
  "task.resumed": "running",
  "task.completed": "completed",
  "task.failed": "failed",
  "task.timed_out": "timeout",
  "task.cancelled": "cancelled",
  "task.restored": undefined,
};

/** Every task can end early; only one that runs can complete. */
const endsEarly: ReadonlyArray<TaskEventName> = ["task.failed", "task.timed_out", "task.cancelled"];

const allowed: Readonly<Record<TaskStatus | "new", ReadonlyArray<TaskEventName>>> = {
  new: ["task.submitted"],
  pending: ["task.claimed", "task.started", ...endsEarly],
  starting: ["task.started", "task.progressed", "task.logged", "task.released", ...endsEarly],
  running: ["task.progressed", "task.logged", "task.input_requested", "task.completed", "task.released", ...endsEarly],
  input_required: [
    "task.resumed",
    "task.input_requested",
    "task.progressed",
    "task.logged",
    "task.completed",
    "task.released",
    ...endsEarly,
  ],
  completed: ["task.restored"],
  failed: ["task.restored"],
  timeout: ["task.restored"],
  cancelled: ["task.restored"],
};

const ends: ReadonlySet<TaskStatus | undefined> = new Set(["completed", "failed", "timeout", "cancelled"]);

/** Each change of status that the rule book allows, from "new" for a task that was never submitted; also to the same status. */
export const legalMoves: ReadonlyArray<readonly [from: TaskStatus | "new", to: TaskStatus]> = (
  Object.entries(allowed) as ReadonlyArray<readonly [TaskStatus | "new", ReadonlyArray<TaskEventName>]>
).flatMap(([from, moves]) => {
  const to = new Set(moves.flatMap((move) => leadsTo[move] ?? []));
  // An answer to one of several open requests leaves the others open.
  if (moves.includes("task.resumed")) to.add("input_required");
  return [...to].map((status) => [from, status] as const);
});

/** A task in `from` cannot take the event `move`. Nothing was written. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  taskId: Schema.String,
  /** The task's status, or "new" for one that was never submitted. */
  from: Schema.String,
  move: Schema.String,
  hint: Schema.String,
}) {
  override get message(): string {
    return `Task ${this.taskId} is ${this.from}: ${this.move} is not possible.`;
  }
}

const hintFor = (from: TaskStatus | "new"): string =>
  from !== "new" && ends.has(from)
    ? `A task that is ${from} has ended; submit another.`
    : `Possible now: ${allowed[from].join(", ")}.`;

export const isTaskEventName = (type: string): type is TaskEventName => Object.hasOwn(leadsTo, type);

/** The status after an event of that type. */
export const statusAfter = (status: TaskStatus | undefined, type: string): TaskStatus | undefined =>
  (isTaskEventName(type) ? leadsTo[type] : undefined) ?? status;

/** Moves that only the worker that holds the task may make. */
const holdersMoves: ReadonlySet<TaskEventName> = new Set([
  "task.started",
  "task.progressed",
  "task.logged",
  "task.input_requested",
  "task.completed",
  "task.failed",
  "task.timed_out",
  "task.released",
]);

const claimOf = (data: unknown): unknown => (isObject(data) ? data["claim"] : undefined);

/** The key that a request or an answer names. */
export const keyOf = (data: unknown): string | undefined => {
  const key = isObject(data) ? data["key"] : undefined;
  return typeof key === "string" ? key : undefined;
};

/** A result that is longer is known by its hash: it is kept beside the state of a task. */
const longestEndKey = 200;

/** The same for two moves that end a task with the same result. A blob stands for what it holds. */
export const endKeyOf = ({ data, type }: TaskMove): string => {
  const given = isObject(data) ? data : {};
  const result = type === "task.completed" ? (given["outputBlob"] ?? given["output"] ?? null) : null;
  const error = type === "task.failed" ? (given["error"] ?? null) : null;
  const said = JSON.stringify([type, result, error]);
  return said.length <= longestEndKey ? said : EventId.fromContent(said);
};

const utf8 = new TextDecoder();

/** The data of an event as JSON; of a body that is none, nothing. */
const dataOf = (body: string | Uint8Array): unknown => {
  try {
    return JSON.parse(typeof body === "string" ? body : utf8.decode(body)) as unknown;
  } catch {
    return undefined;
  }
};

/** The move that an event makes; undefined when it is no event of a task. */
export const moveOf = (event: { readonly type: string; readonly body: string | Uint8Array }): TaskMove | undefined =>
  isTaskEventName(event.type) ? { type: event.type, data: dataOf(event.body) } : undefined;

/** The state after an event. Total: what stands in the log has happened, whoever wrote it. */
export const evolve = (
  state: TaskState,
  event: { readonly type: string; readonly body: string | Uint8Array; readonly sequence: Sequence },
): TaskState => {
  const status = statusAfter(state.status, event.type);
  if (event.type === "task.claimed") {
    const data = dataOf(event.body);
    const holder = isObject(data) ? data["holder"] : undefined;
    return {
      ...state,
      status: isObject(data) && data["begun"] === true ? "running" : status,
      asked: [],
      lease: { token: event.sequence, holder: typeof holder === "string" ? holder : undefined },
    };
  }
  if (event.type === "task.released") return { ...state, status, lease: undefined, asked: [] };
  if (event.type === "task.input_requested" && !ends.has(state.status)) {
    const key = keyOf(dataOf(event.body)) ?? onlyInput;
    return { ...state, status, asked: [...state.asked.filter((other) => other !== key), key] };
  }
  if (event.type === "task.resumed" && !ends.has(state.status)) {
    const key = keyOf(dataOf(event.body));
    const asked = key === undefined ? [] : state.asked.filter((other) => other !== key);
    return { ...state, status: asked.length > 0 ? "input_required" : status, asked };
  }
  const move = ends.has(status) && status !== state.status ? moveOf(event) : undefined;
  return move === undefined ? { ...state, status } : { status, lease: undefined, endKey: endKeyOf(move), asked: [] };
};

/**
 * The lease that a move names, or does not name, is not the one that stands: the task was claimed by a worker, claimed
 * again, given back, cancelled, or has ended. Nothing was written.
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  taskId: Schema.String,
  /** The claim that was named; 0 for none. */
  token: Schema.Number,
  /** The task's status now. */
  status: Schema.String,
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** Reasons that a move is refused for. */
export type TaskRefusal = IllegalTransition | LeaseLost;

const heldByAnother = (taskId: string, { lease, status }: TaskState, claim: unknown): LeaseLost =>
  new LeaseLost({
    taskId,
    token: typeof claim === "number" ? claim : 0,
    status: status ?? "new",
    reason: `task ${taskId} is held by a worker, under claim ${lease?.token ?? 0}`,
    hint: "Only the worker that holds it moves it; cancel it, or wait until it has settled it.",
  });

/** Decides a move: an event to add, or none because the task is there already. */
export const decide = (options: {
  readonly taskId: string;
  readonly state: TaskState;
  readonly move: TaskMove;
}): Result.Result<"add" | "nothing", TaskRefusal> => {
  const { taskId, state, move } = options;
  const { type } = move;
  const from = state.status ?? "new";
  const { lease } = state;
  if (lease?.holder !== undefined && holdersMoves.has(type) && claimOf(move.data) !== lease.token) {
    return Result.fail(heldByAnother(taskId, state, claimOf(move.data)));
  }
  const refused = (hint: string) => Result.fail(new IllegalTransition({ taskId, from, move: type, hint }));
  if (type === "task.input_requested" && from === "input_required") {
    if (state.asked.includes(keyOf(move.data) ?? onlyInput)) return Result.succeed("nothing");
    if (state.asked.length >= mostAsked) return refused(`At most ${mostAsked} requests are open at once.`);
  }
  const key = type === "task.resumed" ? keyOf(move.data) : undefined;
  if (key !== undefined && !state.asked.includes(key)) {
    return refused(`No request ${JSON.stringify(key)} is open; open are: ${state.asked.join(", ") || "none"}.`);
  }
  if (allowed[from].includes(type)) return Result.succeed("add");
  const to = leadsTo[type];
  // A submitted task is there, whatever became of it: the same submission may come late, from a spool.
  if (type === "task.submitted") return Result.succeed("nothing");
  if (to !== undefined && to === state.status) {
    const isSame = !ends.has(to) || type === "task.cancelled" || endKeyOf(move) === state.endKey;
    if (isSame) return Result.succeed("nothing");
    return refused(`It ended before, with another result: recollect tasks result ${taskId} shows which.`);
  }
  return refused(hintFor(from));
};

/** True for an event that ends its task. */
export const isEnd = (type: string): boolean => ends.has(statusAfter(undefined, type));

export const hasEnded = (status: TaskStatus | undefined): boolean => ends.has(status);
