/**
 * Tasks that any number of workers share, in any language: submitted, claimed under a lease, kept, settled.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api";
import { QueueSettings } from "../../../coordination/config/QueueSettings.ts";
import { AfterError, TaskPriority, TaskRequest } from "../../../domain/task/TaskEvents.ts";
import { Access, moving, named, Needs, usual } from "./Access.ts";
import { asOf, byId, Count, flag, numberFrom, optional, Time } from "./Shapes.ts";

const Text = Schema.String;
const Open = Schema.Record(Text, Schema.Unknown);

/** Longest wait of one request; the client asks again. */
export const mostWaitMillis = 60_000;
const wait = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: mostWaitMillis }));

const queueing = {
  id: optional(Text),
  threadId: optional(Text),
  parentTaskId: optional(Text),
  priority: optional(TaskPriority),
  maxAttempts: optional(Count),
  backoffMillis: optional(Time),
  /** It fails as `expired` when it has not begun by then. */
  startBy: optional(Time),
  /** By type of error: `never` another attempt, or the pause before it, milliseconds. */
  onError: optional(Schema.Record(Text, AfterError)),
  /** Consequence of a task before it that does not complete; default `cancel`. */
  whenFailed: optional(Schema.Literals(["cancel", "run"])),
};

const Submitted = Schema.Struct({
  taskId: Text,
  /** False: it was there already, and nothing was added. */
  isNew: Schema.Boolean,
  /** `log`, or `disk`: in the spool of the daemon until the log is back. */
  where: Text,
}).annotate({ identifier: "Submitted" });

/** State of a task, or its end. */
const TaskRead = Schema.Struct({
  taskId: Text,
  status: Text,
  mcpStatus: Text,
  attempt: Count,
  worker: Schema.NullOr(Text),
  message: Schema.NullOr(Text),
  progress: Schema.NullOr(Time),
  total: Schema.NullOr(Time),
  /** Open requests, while it is `input_required`. */
  inputRequests: Schema.Array(Open),
  output: Schema.Unknown,
  error: Schema.NullOr(Schema.Struct({ type: Text, message: Schema.NullOr(Text) })),
  deadLetter: Schema.Boolean,
  endedAt: Schema.NullOr(Time),
  archivedAt: Schema.NullOr(Time),
}).annotate({ identifier: "Task" });

/** One claim of a task. */
const Lease = Schema.Struct({
  taskId: Text,
  /** Names the claim in every request that follows. Its holder is this worker. */
  lease: Text,
  /** The fencing token: a later claim of the task has a larger one. */
  token: Count,
  attempt: Count,
  maxAttempts: Count,
  /** A heartbeat is due after a third of this. */
  leaseMillis: Time,
  request: TaskRequest,
}).annotate({ identifier: "Lease" });

const leaseVerbs = [
  "heartbeat",
  "start",
  "progress",
  "log",
  "ask",
  "complete",
  "fail",
  "time-out",
  "release",
  "defer",
] as const;

/** Body of a worker's verbs for the task that it holds; each verb looks at its own fields. */
const Settling = Schema.Struct({
  lease: Text,
  /** `complete`: any JSON. */
  output: optional(Schema.Unknown),
  /** `fail`: why. */
  error: optional(Schema.Struct({ type: Text, message: optional(Text) })),
  /** `fail`: `never` makes it the last attempt. */
  retry: optional(Schema.Literal("never")),
  /** `defer`: the pause until the next claim; `message` says why. */
  delayMillis: optional(Time),
  /** `log`: what the program wrote. */
  text: optional(Text),
  stream: optional(Schema.Literals(["stdout", "stderr"])),
  /** `progress`, `ask`: words. */
  message: optional(Text),
  progress: optional(Schema.Finite),
  total: optional(Schema.Finite),
  /** `ask`: what the answer is for, what it is to fit, and how long this request waits for it. */
  key: optional(Text),
  schema: optional(Open),
  waitMillis: optional(wait),
  /** `time-out`: after how long. */
  afterMillis: optional(Time),
});

/** A piece of the log of one attempt. */
const LogPiece = Schema.Struct({
  attempt: Schema.NullOr(Count),
  stream: Schema.Literals(["stdout", "stderr"]),
  text: Text,
  omittedBytes: Count,
  at: Time,
}).annotate({ identifier: "LogPiece" });

/** Of a batch: numbers in `after` are places in it from 0, texts are ids of other tasks. */
const BatchRequest = Schema.Struct({
  ...TaskRequest.fields,
  after: optional(Schema.Array(Schema.Union([Count, Text]))),
});

export const Tasks = HttpApiGroup.make("tasks")
  .add(
    HttpApiEndpoint.get("list", "/v1/tasks", {
      query: {
        status: optional(Text),
        agentType: optional(Text),
        batch: optional(Text),
        /** Children of this task. */
        parent: optional(Text),
        limit: optional(numberFrom(1, 1_000)),
        deadLetters: optional(flag),
        asOf,
      },
      success: Schema.Struct({ tasks: Schema.Array(Open) }),
      error: usual,
    }).annotate(OpenApi.Summary, "List tasks, latest activity first"),
    HttpApiEndpoint.post("submit", "/v1/tasks", {
      payload: Schema.Struct({
        request: TaskRequest,
        ...queueing,
        notBefore: optional(Time),
        /** Ids of tasks that must have ended first. */
        after: optional(Schema.Array(Text)),
        /** One task of its agent type and key is open at a time: the open one is the answer. In place of an id. */
        dedupKey: optional(Text),
      }),
      success: Submitted.pipe(HttpApiSchema.status(201)),
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Submit a task for a worker of its agent type")
      .annotate(OpenApi.Description, "The same id again adds nothing."),
    HttpApiEndpoint.post("submitBatch", "/v1/task-batches", {
      payload: Schema.Struct({
        requests: Schema.Array(BatchRequest).check(Schema.isMinLength(1), Schema.isMaxLength(1_000)),
        ...queueing,
        atOnce: optional(Count),
        failFast: optional(Schema.Boolean),
      }),
      success: Open.pipe(HttpApiSchema.status(201)),
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Submit up to 1,000 tasks, all or none"),
    HttpApiEndpoint.get("batch", "/v1/task-batches/:id", { params: byId, success: Open, error: named }).annotate(
      OpenApi.Summary,
      "How the tasks of a batch stand",
    ),
    HttpApiEndpoint.get("show", "/v1/tasks/:id", {
      params: byId,
      query: { waitMillis: optional(numberFrom(0, mostWaitMillis)) },
      success: TaskRead,
      error: named,
    })
      .annotate(OpenApi.Summary, "How a task stands")
      .annotate(OpenApi.Description, "`waitMillis`: waits so long for its end, and then says how it stands."),
    HttpApiEndpoint.get("logs", "/v1/tasks/:id/logs", {
      params: byId,
      query: { attempt: optional(numberFrom(1, 1_000)) },
      success: Schema.Struct({ logs: Schema.Array(LogPiece) }),
      error: named,
    })
      .annotate(OpenApi.Summary, "Output of a task's programs, at most 1 MiB an attempt")
      .annotate(OpenApi.Description, "`attempt`: default the last one."),
    HttpApiEndpoint.post("claim", "/v1/tasks/claim", {
      payload: Schema.Struct({
        agentTypes: Schema.Array(Text).check(Schema.isMinLength(1), Schema.isMaxLength(100)),
        /** Name of the worker in lists. Default: the token's name. */
        worker: optional(Text),
        /** Default 20,000; at most 60,000. */
        waitMillis: optional(wait),
        /** `starting` leaves the beginning to `start`. */
        begin: optional(Schema.Literals(["starting", "running"])),
      }),
      success: [Lease, HttpApiSchema.NoContent],
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Claim the next task of one of these agent types")
      .annotate(OpenApi.Description, "Waits until there is one; 204 when there was none in that time."),
    HttpApiEndpoint.post("lease", "/v1/leases/:verb", {
      params: { verb: Schema.Literals(leaseVerbs) },
      payload: Settling,
      success: Open,
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Keep a lease, report, ask, and settle the task")
      .annotate(
        OpenApi.Description,
        "409 `leaseLost`: stop working on it, another one has it or it was cancelled. A lease outlives the daemon: after 503 the same request is safe.",
      ),
    HttpApiEndpoint.post("move", "/v1/tasks/:id/:verb", {
      params: { ...byId, verb: Schema.Literals(["cancel", "retry", "restore", "answer"]) },
      payload: Schema.Struct({
        reason: optional(Text),
        /** `answer`: what a task that waits for input has asked for. */
        message: optional(Text),
        value: optional(Schema.Unknown),
        key: optional(Text),
      }),
      success: Schema.Union([TaskRead, Submitted]),
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Cancel a task, answer it, try it again, restore it"),
  )
  .add(
    HttpApiEndpoint.post("retryAll", "/v1/dead-letters/retry", {
      payload: Schema.Struct({
        agentType: optional(Text),
        errorType: optional(Text),
        since: optional(Time),
        limit: optional(numberFrom(1, 1_000)),
        /** Absent: the plan, and nothing is done. */
        apply: optional(Schema.Literal(true)),
      }),
      success: Schema.Struct({ deadLetters: Schema.Array(Open) }),
      error: moving,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Dead letters without another try, or with `apply` another try of each"),
    HttpApiEndpoint.get("queues", "/v1/task-queues", {
      success: Schema.Struct({ queues: Schema.Record(Text, QueueSettings) }),
      error: usual,
    }).annotate(OpenApi.Summary, "Queues that are paused, drained or limited in their rate, by agent type"),
    HttpApiEndpoint.post("setQueue", "/v1/task-queues/:id", {
      params: byId,
      payload: Schema.Struct({ ...QueueSettings.fields, why: optional(Text) }),
      success: QueueSettings,
      error: moving,
    })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "Pause, resume, drain or limit the tasks of an agent type")
      .annotate(OpenApi.Description, "What is not said stays; null takes it back."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Tasks");
