/**
 * `recollect tasks` and `recollect task ID`: agent tasks and how they moved.
 *
 * Room: edge.
 */
import { Clock, Effect, Option, Result } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import * as ConfigFile from "../../../coordination/config/ConfigFile.ts";
import { check, fields } from "../../../coordination/config/ConfigFields.ts";
import { defaultTenant } from "../../../domain/History.ts";
import { Query } from "../../../query/Query.ts";
import { Attach } from "../Attach.ts";
import { NotFound } from "../Failure.ts";
import { given, json, limit, readModels, where } from "../Flags.ts";
import * as Output from "../Output.ts";
import { batch } from "./TaskBatches.ts";
import { logs } from "./TaskLogs.ts";
import { queue } from "./TaskQueues.ts";
import { retention as retentionCommand } from "./TaskRetention.ts";
import { retry } from "./TaskRetries.ts";
import { schedule } from "./TaskSchedules.ts";
import { answer, cancel, restore, result, show, submit, watch } from "./TaskVerbs.ts";
import { work as workCommand } from "./TaskWork.ts";

/** Retention of ended tasks, by the database and this machine: a list needs no NATS. */
const retention = Effect.gen(function* () {
  const { folder } = yield* Attach;
  const { root } = yield* folder(yield* where);
  const query = yield* Query;
  const set = yield* query.configured("tasks.retentionMillis", defaultTenant);
  const runtime = set === undefined ? undefined : check("tasks.retentionMillis", JSON.parse(set), "runtime");
  if (runtime !== undefined && Result.isSuccess(runtime)) return Number(runtime.success);
  const below = (yield* ConfigFile.below(root)).get("tasks.retentionMillis");
  return Number(below?.value ?? fields["tasks.retentionMillis"].default);
});

const flags = {
  status: Flag.Literals("status", [
    "pending",
    "starting",
    "running",
    "input_required",
    "completed",
    "failed",
    "timeout",
    "cancelled",
  ]).pipe(Flag.withDescription("Only tasks in this status"), Flag.optional),
  deadLetters: Flag.Boolean("dead-letters").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Only tasks that failed because their last attempt did; archived ones too"),
  ),
  batch: Flag.String("batch").pipe(
    Flag.withMetavar("ID"),
    Flag.withDescription("Only tasks of this batch; archived ones too"),
    Flag.optional,
  ),
  parent: Flag.String("parent").pipe(
    Flag.withMetavar("TASK"),
    Flag.withDescription("Only children of this task; archived ones too"),
    Flag.optional,
  ),
  archived: Flag.Boolean("archived").pipe(
    Flag.withDefault(false),
    Flag.withDescription("Only those that ended longer ago than tasks.retentionMillis"),
  ),
  limit,
  json,
};

const listed = Effect.fn("cli.tasks")(function* (input: Command.Command.Config.Infer<typeof flags>) {
  const query = yield* Query;
  // A task asked for by name is given wherever it is.
  const isWhole = (input.deadLetters || Option.isSome(input.batch) || Option.isSome(input.parent)) && !input.archived;
  const found = yield* query.tasks({
    limit: input.limit,
    ...given("status", input.status),
    ...given("batchId", input.batch),
    ...given("parentTaskId", input.parent),
    ...(input.deadLetters ? { deadLetters: "only" } : {}),
    ...(isWhole ? {} : { recentSince: (yield* Clock.currentTimeMillis) - (yield* retention) }),
    ...(input.archived ? { archived: "only" } : {}),
  });
  if (input.json) return yield* Output.json({ tasks: found });
  if (found.length === 0) return yield* Output.note(input.archived ? "No archived tasks." : "No recent tasks.");
  const rows = found.map((task) => [
    Output.moment(task.lastActivityAt),
    task.taskId,
    task.status,
    task.agentType ?? "-",
    Output.clip(task.description ?? task.message ?? "", 60),
  ]);
  for (const text of Output.table(["last activity (UTC)", "task", "status", "agent", "description"], rows))
    yield* Output.line(text);
}, readModels);

const list = Command.make("list", flags, listed).pipe(
  Command.withDescription("List tasks, latest activity first: those that are open or ended lately, or --archived"),
  Command.withExamples([{ command: "recollect tasks list --status running", description: "What runs now" }]),
);

export const tasks = Command.make("tasks", flags, listed).pipe(
  Command.withDescription("List tasks, latest activity first; submit, watch, cancel, retry and work on them"),
  Command.withSubcommands([
    list,
    submit,
    show,
    result,
    batch,
    watch,
    logs,
    answer,
    cancel,
    retry,
    restore,
    workCommand,
    schedule,
    queue,
    retentionCommand,
  ]),
);

export const task = Command.make(
  "task",
  { task: Argument.String("task").pipe(Argument.withDescription("Task id")), json },
  Effect.fn("cli.task")(function* (input) {
    const query = yield* Query;
    const found = yield* query.task(input.task);
    if (found === undefined) {
      return yield* new NotFound({ message: `There is no task ${input.task}.`, hint: "recollect tasks lists them." });
    }
    if (input.json) return yield* Output.json(found);
    const { task: row, transitions } = found;
    yield* Output.line(`${row.taskId}  ${row.status}  ${row.agentType ?? ""}`.trimEnd());
    if (row.description !== null) yield* Output.line(row.description);
    if (row.output !== null) yield* Output.line(`output: ${Output.clip(row.output, 500)}`);
    if (row.errorType !== null) yield* Output.line(`error: ${row.errorType} ${row.errorMessage ?? ""}`.trimEnd());
    const rows = transitions.map(({ movedAt, fromStatus, message, sequence, toStatus }) => [
      Output.moment(movedAt),
      String(sequence),
      fromStatus ?? "-",
      toStatus ?? "-",
      Output.clip(message ?? "", 60),
    ]);
    for (const text of Output.table(["at (UTC)", "sequence", "from", "to", "message"], rows)) yield* Output.line(text);
  }, readModels),
).pipe(
  Command.withDescription("Show one task with its transitions"),
  Command.withExamples([{ command: "recollect task TASK", description: "Its states, one a line" }]),
);
