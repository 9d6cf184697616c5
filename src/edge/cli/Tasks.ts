/**
 * `recollect tasks` and `recollect task ID`: agent tasks and how they moved.
 *
 * Room: edge. In: query, TaskVerbs, TaskWork. Out: Cli.
 */
import { Effect } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Query } from "../../query/Query.ts";
import { NotFound } from "./Failure.ts";
import { given, json, limit, readModels } from "./Flags.ts";
import * as Output from "./Output.ts";
import { answer, cancel, result, retry, show, submit, watch } from "./TaskVerbs.ts";
import { work as workCommand } from "./TaskWork.ts";

export const tasks = Command.make(
  "tasks",
  {
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
      Flag.withDescription("Only tasks that failed because their last attempt did"),
    ),
    limit,
    json,
  },
  Effect.fn("cli.tasks")(function* (input) {
    const query = yield* Query;
    const found = yield* query.tasks({
      limit: input.limit,
      ...given("status", input.status),
      ...(input.deadLetters ? { deadLetters: "only" } : {}),
    });
    if (input.json) return yield* Output.json({ tasks: found });
    if (found.length === 0) return yield* Output.note("No tasks.");
    const rows = found.map((task) => [
      Output.moment(task.lastActivityAt),
      task.taskId,
      task.status,
      task.agentType ?? "-",
      Output.clip(task.description ?? task.message ?? "", 60),
    ]);
    for (const text of Output.table(["last activity (UTC)", "task", "status", "agent", "description"], rows))
      yield* Output.line(text);
  }, readModels),
).pipe(
  Command.withDescription("List tasks, latest activity first; submit, watch, cancel, retry and work on them"),
  Command.withSubcommands([submit, show, result, watch, answer, cancel, retry, workCommand]),
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
    const rows = transitions.map(({ at, fromStatus, message, sequence, toStatus }) => [
      Output.moment(at),
      String(sequence),
      fromStatus ?? "-",
      toStatus ?? "-",
      Output.clip(message ?? "", 60),
    ]);
    for (const text of Output.table(["at (UTC)", "sequence", "from", "to", "message"], rows)) yield* Output.line(text);
  }, readModels),
).pipe(Command.withDescription("Show one task with its transitions"));
