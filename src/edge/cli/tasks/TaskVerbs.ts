/**
 * `recollect tasks submit|show|result|watch|answer|cancel|restore`: what people do with tasks of the work queue.
 *
 * Room: edge.
 */
import { Clock, Effect, Option, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import * as Tasks from "../../../coordination/tasks/Tasks.ts";
import { BadRequest } from "../Failure.ts";
import { given, json, store, storeFromNow, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { ended, submitFile } from "./TaskBatches.ts";
import { withTasks } from "./TaskStore.ts";

export const taskId = Argument.String("task").pipe(Argument.withDescription("Task id"));

/** One task as a person reads it. */
const shown = (result: Tasks.TaskResult) =>
  Effect.gen(function* () {
    const attempt = result.attempt > 1 ? `  attempt ${result.attempt}` : "";
    const dead = result.deadLetter ? "  (dead letter: recollect tasks retry)" : "";
    yield* Output.line(`${result.taskId}  ${result.status}${attempt}${dead}`);
    if (result.message !== null) yield* Output.line(result.message);
    if (result.error !== null)
      yield* Output.line(`error: ${result.error.type} ${result.error.message ?? ""}`.trimEnd());
    const { output } = result;
    if (output !== null) yield* Output.line(typeof output === "string" ? output : JSON.stringify(output, null, 2));
  });

const say = (asJson: boolean) => (result: Tasks.TaskResult) => (asJson ? Output.json(result) : shown(result));

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional);

/** Refuses flags for all tasks that lines of a file set for themselves, and flags of a batch for one task. */
const fits = (input: {
  readonly batch: Option.Option<string>;
  readonly parallel: Option.Option<number>;
  readonly sequential: boolean;
  readonly failFast: boolean;
  readonly [name: string]: unknown;
}) => {
  const ofOne = ["message", "description", "model", "cwd", "timeout", "delay", "after", "key"];
  const isSaid = (name: string) => {
    const value = input[name];
    return Array.isArray(value) ? value.length > 0 : Option.isOption(value) && Option.isSome(value);
  };
  const wrong = Option.isSome(input.batch) ? ofOne.find(isSaid) : undefined;
  if (wrong !== undefined) {
    return new BadRequest({ message: `--batch does not go with ${wrong}: each line of the file says its own.` });
  }
  const alone = Option.isNone(input.batch) && (Option.isSome(input.parallel) || input.sequential || input.failFast);
  if (alone) return new BadRequest({ message: "--parallel, --sequential and --fail-fast are for a --batch." });
  return Effect.void;
};

/** Seconds, as they are written, and milliseconds, as they are stored; what is neither is refused with the submission. */
const afterErrors = (rules: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    Object.entries(rules).map(([type, rule]) => [type, rule === "never" ? ("never" as const) : Number(rule) * 1_000]),
  );

export const submit = Command.make(
  "submit",
  {
    agentType: Argument.String("agent-type").pipe(
      Argument.withDescription("Which workers may take it; with --batch for lines that do not say"),
      Argument.optional,
    ),
    message: Argument.String("message").pipe(Argument.withDescription("What is to be done"), Argument.optional),
    description: text("description", "What lists show"),
    model: text("model", "Model to use"),
    cwd: text("cwd", "Working directory"),
    thread: text("thread", "Thread it works for"),
    id: text("id", "Its id; the same id again adds nothing (default: a new UUID)"),
    priority: Flag.Literals("priority", ["high", "normal", "low"]).pipe(
      Flag.withDescription("What is served first (default: normal)"),
      Flag.optional,
    ),
    maxAttempts: Flag.Int("max-attempts").pipe(
      Flag.withDescription("How often it is tried (default: 3)"),
      Flag.optional,
    ),
    timeout: Flag.Finite("timeout").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Longest run of one attempt"),
      Flag.optional,
    ),
    delay: Flag.Finite("delay").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Not before so many seconds from now"),
      Flag.optional,
    ),
    startWithin: Flag.Finite("start-within").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Fail it as expired when it has not begun so many seconds from now"),
      Flag.optional,
    ),
    key: text("key", "One task of its agent type and this key is open at a time; prints that one's id"),
    after: Flag.String("after").pipe(
      Flag.withMetavar("TASK"),
      Flag.withDescription("Wait for the end of this task; may be given several times"),
      Flag.between(0, 1_000),
    ),
    whenFailed: Flag.Literals("when-failed", ["cancel", "run"]).pipe(
      Flag.withDescription("When a task that it waits for does not complete (default: cancel)"),
      Flag.optional,
    ),
    onError: Flag.KeyValuePair("on-error").pipe(
      Flag.withMetavar("TYPE=never|SECONDS"),
      Flag.withDescription("After an error of this type: no further attempt, or a pause of its own"),
      Flag.optional,
    ),
    batch: Flag.String("batch").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Submit one task for each line of a JSON Lines file (- is stdin), all or none"),
      Flag.optional,
    ),
    parallel: Flag.Int("parallel").pipe(
      Flag.withMetavar("COUNT"),
      Flag.withDescription("At most so many of the batch at once (default: all)"),
      Flag.optional,
    ),
    sequential: Flag.Boolean("sequential").pipe(
      Flag.withDefault(false),
      Flag.withDescription("One task of the batch after another"),
    ),
    failFast: Flag.Boolean("fail-fast").pipe(
      Flag.withDefault(false),
      Flag.withDescription("One that does not complete cancels the rest of the batch"),
    ),
    wait: Flag.Boolean("wait").pipe(Flag.withDefault(false), Flag.withDescription("Wait for its end, and show it")),
    tenant,
    json,
  },
  Effect.fn("cli.tasks.submit")(function* (input) {
    const now = yield* Clock.currentTimeMillis;
    const submission = {
      ...given("id", input.id),
      ...given("threadId", input.thread),
      ...given("priority", input.priority),
      ...given("maxAttempts", input.maxAttempts),
      ...given("whenFailed", input.whenFailed),
      ...given("onError", Option.map(input.onError, afterErrors)),
      ...given(
        "startBy",
        Option.map(input.startWithin, (seconds) => now + seconds * 1_000),
      ),
    };
    yield* fits(input);
    if (Option.isSome(input.batch)) {
      const submitted = submitFile({ ...input, file: input.batch.value }, submission);
      const whole = Effect.flatMap(submitted, ({ batchId, taskIds }) => ended(batchId, taskIds, input.json));
      if (input.wait) return yield* storeFromNow(withTasks(whole, input.tenant));
      const said = Effect.flatMap(submitted, (batch) => (input.json ? Output.json(batch) : Output.line(batch.batchId)));
      return yield* storeFromNow(withTasks(said, input.tenant));
    }
    if (Option.isNone(input.agentType)) {
      return yield* new BadRequest({
        message: "Whose task is it?",
        hint: "recollect tasks submit AGENT-TYPE [MESSAGE]",
      });
    }
    const agentType = input.agentType.value;
    const work = Effect.gen(function* () {
      const tasks = yield* Tasks.Tasks;
      const request = {
        agentType,
        ...given("message", input.message),
        ...given("description", input.description),
        ...given("model", input.model),
        ...given("workingDirectory", input.cwd),
        ...given("timeoutSeconds", input.timeout),
      };
      const submitted = yield* tasks.submit(request, {
        ...submission,
        after: input.after,
        ...given("dedupKey", input.key),
        ...given(
          "notBefore",
          Option.map(input.delay, (seconds) => now + seconds * 1_000),
        ),
      });
      if (input.wait) return yield* Effect.flatMap(tasks.result(submitted.taskId), say(input.json));
      if (input.json) return yield* Output.json(submitted);
      yield* Output.line(submitted.taskId);
      if (!submitted.isNew) yield* Output.note("It was there already.");
    });
    return yield* storeFromNow(withTasks(work, input.tenant));
  }),
).pipe(
  Command.withDescription("Submit a task for a worker of an agent type"),
  Command.withExamples([
    { command: 'recollect tasks submit reviewer "look at the last commit"', description: "Prints the task's id" },
    { command: "recollect tasks submit nightly --delay 3600 --priority low", description: "In an hour" },
    {
      command: "recollect tasks submit summarizer --after TASK --start-within 600",
      description: "When another task has completed, within ten minutes",
    },
    {
      command: 'recollect tasks submit indexer --key "repository 7" --on-error BadInput=never --on-error Busy=60',
      description: "Unless one for this key is open; by kind of error",
    },
    { command: "recollect tasks submit reviewer --batch files.jsonl --parallel 4 --fail-fast", description: "A batch" },
  ]),
);

const one = <E>(
  name: string,
  description: string,
  act: (tasks: Tasks.Tasks["Service"], id: string) => Effect.Effect<Tasks.TaskResult, E>,
) =>
  Command.make(
    name,
    { taskId, tenant, json },
    Effect.fn(`cli.tasks.${name}`)(function* (input) {
      const work = Tasks.Tasks.use((tasks) => Effect.flatMap(act(tasks, input.taskId), say(input.json)));
      return yield* store(withTasks(work, input.tenant));
    }),
  ).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `recollect tasks ${name} TASK`, description }]),
  );

export const show = one("show", "Show how a task stands, from the log", (tasks, id) => tasks.show(id));
export const result = one("result", "Wait for a task's end, and show it", (tasks, id) => tasks.result(id));

export const cancel = Command.make(
  "cancel",
  { taskId, reason: text("reason", "Why"), tenant, json },
  Effect.fn("cli.tasks.cancel")(function* (input) {
    const cancelled = Tasks.Tasks.use((tasks) => tasks.cancel(input.taskId, Option.getOrUndefined(input.reason)));
    return yield* store(withTasks(Effect.flatMap(cancelled, say(input.json)), input.tenant));
  }),
).pipe(
  Command.withDescription("End a task; a worker that runs it is told"),
  Command.withExamples([{ command: "recollect tasks cancel TASK", description: "End it; its worker is told" }]),
);

export const answer = Command.make(
  "answer",
  {
    taskId,
    message: Argument.String("message").pipe(Argument.withDescription("The answer")),
    key: Flag.String("key").pipe(
      Flag.withMetavar("KEY"),
      Flag.withDescription("Which of several open requests (default: all of them)"),
      Flag.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.tasks.answer")(function* (input) {
    const answered = Tasks.Tasks.use((tasks) =>
      tasks.provideInput(input.taskId, { message: input.message, key: Option.getOrUndefined(input.key) }),
    );
    return yield* store(withTasks(Effect.flatMap(answered, say(input.json)), input.tenant));
  }),
).pipe(
  Command.withDescription("Answer a task that asks for input"),
  Command.withExamples([
    {
      command: 'recollect tasks answer TASK "the left one" --key which',
      description: "Answer one of several open requests",
    },
  ]),
);

export const restore = Command.make(
  "restore",
  { taskId, reason: text("reason", "Why"), tenant, json },
  Effect.fn("cli.tasks.restore")(function* (input) {
    const restored = Tasks.Tasks.use((tasks) => tasks.restore(input.taskId, Option.getOrUndefined(input.reason)));
    return yield* store(withTasks(Effect.flatMap(restored, say(input.json)), input.tenant));
  }),
).pipe(
  Command.withDescription("Put an archived task among the recent ones again"),
  Command.withExamples([{ command: "recollect tasks restore TASK", description: "Among the recent ones again" }]),
);

export const watch = Command.make(
  "watch",
  {
    taskId,
    tenant,
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One object per line")),
  },
  Effect.fn("cli.tasks.watch")(function* (input) {
    const work = Tasks.Tasks.use((tasks) => Stream.runForEach(tasks.watch(input.taskId), say(input.json)));
    return yield* store(withTasks(work, input.tenant));
  }),
).pipe(
  Command.withDescription("Show a task as it moves, up to its end"),
  Command.withExamples([{ command: "recollect tasks watch TASK", description: "Each of its states, up to its end" }]),
);
