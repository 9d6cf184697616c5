/**
 * `recollect tasks retry TASK` and `retry --all`: another try of what failed, one task or all dead letters of a kind.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import * as DeadLetters from "../../../coordination/tasks/DeadLetters.ts";
import { Tasks } from "../../../coordination/tasks/Tasks.ts";
import { BadRequest } from "../Failure.ts";
import { given, json, limit, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { momentHint } from "../ParseTime.ts";
import { momentInZone } from "../ask/ZonedTime.ts";
import { withTasks } from "./TaskStore.ts";

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional);

const flags = {
  taskId: Argument.String("task").pipe(Argument.withDescription("Task id"), Argument.optional),
  all: Flag.Boolean("all").pipe(
    Flag.withDefault(false),
    Flag.withDescription("All dead letters without another try; shows which, and does nothing without --yes"),
  ),
  agentType: text("type", "AGENT-TYPE", "With --all: only of this agent type"),
  error: text("error", "TYPE", "With --all: only those whose last error was of this type"),
  since: text("since", "TIME", "With --all: only those that ended since, as 12h or 2026-11-01"),
  limit,
  yes: Flag.Boolean("yes").pipe(Flag.withDefault(false), Flag.withDescription("With --all: try them again")),
  tenant,
  json,
};

const one = (taskId: string, asJson: boolean) =>
  Effect.flatMap(
    Tasks.use((tasks) => tasks.retry(taskId)),
    (submitted) => (asJson ? Output.json(submitted) : Output.line(submitted.taskId)),
  );

const all = Effect.fnUntraced(function* (input: Command.Command.Config.Infer<typeof flags>) {
  const now = yield* Clock.currentTimeMillis;
  const since = Option.map(input.since, (written) => momentInZone(written, now, undefined));
  if (Option.isSome(since) && since.value === undefined) {
    return yield* new BadRequest({ message: "--since is no time.", hint: momentHint });
  }
  const which = {
    ...given("agentType", input.agentType),
    ...given("errorType", input.error),
    since: Option.getOrUndefined(since),
    limit: input.limit,
  };
  const plan = yield* DeadLetters.find(which, input.tenant);
  if (!input.yes) {
    if (input.json) return yield* Output.json({ plan });
    if (plan.length === 0) return yield* Output.note("No dead letter waits for another try.");
    const rows = plan.map((letter) => [
      Output.moment(letter.endedAt),
      letter.taskId,
      letter.agentType ?? "-",
      letter.errorType ?? "-",
    ]);
    for (const line of Output.table(["ended (UTC)", "task", "agent", "error"], rows)) yield* Output.line(line);
    return yield* Output.note(`${Output.counted(plan.length, "task")} would be tried again: say --yes.`);
  }
  const retried = yield* DeadLetters.retry(plan);
  if (input.json) return yield* Output.json({ retried });
  for (const { refused, retry: again, taskId } of retried) yield* Output.line(again ?? `${taskId}: ${refused}`);
});

export const retry = Command.make(
  "retry",
  flags,
  Effect.fn("cli.tasks.retry")(function* (input) {
    if (Option.isSome(input.taskId) === input.all) {
      return yield* new BadRequest({ message: "Which task? Give its id, or --all." });
    }
    if (Option.isNone(input.taskId)) return yield* store(withTasks(all(input), input.tenant));
    return yield* store(withTasks(one(input.taskId.value, input.json), input.tenant));
  }),
).pipe(
  Command.withDescription("Submit what failed, timed out or was cancelled again, as another task; --all: dead letters"),
  Command.withExamples([
    { command: "recollect tasks retry TASK", description: "The same request again, as another task" },
    { command: "recollect tasks retry --all --type reviewer --since 12h", description: "Which would be tried again" },
    { command: "recollect tasks retry --all --type reviewer --since 12h --yes", description: "Try them again" },
  ]),
);
