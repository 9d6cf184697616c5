/**
 * `recollect tasks work --agent-type TYPE -- COMMAND`: a worker in any language, one process for each task.
 *
 * Room: edge.
 *
 * The command reads the request as JSON on its stdin; what it prints is the output, as JSON where it is that. Exit code
 * 0 completes the task, 75 (`EX_TEMPFAIL`) gives it back for a while at no attempt, any other fails the attempt, with the
 * end of its stderr as the reason. It is given `RECOLLECT_TASK_ID`, `RECOLLECT_TASK_ATTEMPT` and the fencing token of its
 * lease, `RECOLLECT_TASK_TOKEN`.
 *
 * It leads a process group, which is ended (SIGTERM, the grace, SIGKILL) when its lease is lost, its task cancelled or too
 * long, the worker stopped, or killed however hard. Its output is the log of its attempt.
 */
import { Effect, type Scope } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { hostname } from "node:os";
import { results } from "../../../coordination/tasks/TaskChildren.ts";
import type { TaskError } from "../../../coordination/tasks/TaskLease.ts";
import * as TaskLog from "../../../coordination/tasks/TaskLog.ts";
import type { Tasks } from "../../../coordination/tasks/Tasks.ts";
import { type HowFailed, type Running, work as workOn } from "../../../coordination/tasks/Worker.ts";
import * as CommandGuardian from "../../../machine/CommandGuardian.ts";
import { BadRequest } from "../Failure.ts";
import { storeFromNow, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { withTasks } from "./TaskStore.ts";

/** Largest output of a command: above this it is no result but a log. It is held in memory while it runs. */
const maxOutputBytes = 64 * 1024 * 1024;
/** Part of stderr that is kept as the reason of a failure. */
const maxReasonLength = 2_000;
/** Most tasks of one worker side by side: each is a process. */
const maxConcurrency = 256;
/** Below a lease of 30 s, after which another worker may begin with the task. */
const maxGraceSeconds = 20;
/** sysexits.h: a temporary failure, try later. */
const exitLater = 75;

type Failure = TaskError & HowFailed;

const outputOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text.replace(/\n$/, "");
  }
};

interface How {
  readonly command: ReadonlyArray<string>;
  readonly guardian: CommandGuardian.Guardian;
  readonly laterMillis: number;
}

/** Streams of a command: its output whole, its log in pieces, the end of what it said. */
const collect = ({ child, stop }: CommandGuardian.Command, log: TaskLog.TaskLog) => {
  const out: Array<Buffer> = [];
  let bytes = 0;
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (bytes <= maxOutputBytes) out.push(chunk);
    else void stop();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    process.stderr.write(text);
    said = (said + text).slice(-maxReasonLength);
    log.write("stderr", text);
  });
  return {
    isTooLarge: () => bytes > maxOutputBytes,
    output: () => Buffer.concat(out).toString("utf8"),
    reason: () => said.trim().toWellFormed(),
  };
};

/** Runs the command for one task. Interruption ends its group and waits for that. */
const run =
  ({ command, guardian, laterMillis }: How) =>
  (task: Running): Effect.Effect<unknown, Failure, Scope.Scope | Tasks> =>
    Effect.gen(function* () {
      const after = task.lease.submitted.after ?? [];
      const before = after.length === 0 ? {} : { after: yield* Effect.orDie(results(after)) };
      const log = yield* TaskLog.make(task.lease);
      const env = {
        ...process.env,
        RECOLLECT_TASK_ID: task.taskId,
        RECOLLECT_TASK_ATTEMPT: String(task.attempt),
        RECOLLECT_TASK_TOKEN: String(task.token),
      };
      return yield* Effect.callback<unknown, Failure>((resume) => {
        const started = guardian.start(command, env);
        const { child, isMissing, stop } = started;
        const said = collect(started, log);
        /** Only the output of a task that completes is stored as that. */
        const failed = (failure: Failure) => {
          log.write("stdout", said.output());
          resume(Effect.fail(failure));
        };
        // A command that does not read its request closes the pipe; that is its right.
        child.stdin.on("error", () => {});
        child.stdin.end(JSON.stringify({ ...task.request, ...before }));
        child.on("error", ({ message }) => failed({ type: "CannotRun", message, retry: "never" }));
        child.on("close", async (code, signal) => {
          if (await isMissing) {
            failed({ type: "CannotRun", message: `there is no program ${command[0]}`, retry: "never" });
          } else if (said.isTooLarge()) {
            const message = `it printed more than ${maxOutputBytes} bytes`;
            failed({ type: "OutputTooLarge", message, retry: "never" });
          } else if (code === 0) resume(Effect.succeed(outputOf(said.output())));
          else if (code === exitLater) failed({ type: "exit 75", message: said.reason(), deferMillis: laterMillis });
          else failed({ type: `exit ${code ?? signal}`, message: said.reason() });
        });
        return Effect.promise(async () => {
          await stop();
          log.write("stdout", said.output());
        });
      });
    });

const seconds = (name: string, most: number, fallback: number, description: string) =>
  Flag.Finite(name).pipe(
    Flag.filter(
      (value) => value >= 1 && value <= most,
      () => `it is from 1 to ${most}`,
    ),
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(`${description} (default: ${fallback})`),
    Flag.withDefault(fallback),
  );

export const work = Command.make(
  "work",
  {
    agentTypes: Flag.String("agent-type").pipe(
      Flag.withDescription("Whose tasks; may be given several times"),
      Flag.atLeast(1),
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription(
        "Runs once for each task: request on stdin, output on stdout, its stderr is the task's log; RECOLLECT_TASK_ID, RECOLLECT_TASK_ATTEMPT and RECOLLECT_TASK_TOKEN (the fencing token) in its environment; exit code 75 is not now",
      ),
      Argument.variadic({ min: 1 }),
    ),
    concurrency: Flag.Int("concurrency").pipe(
      Flag.withDescription("Tasks at the same time (default: 1)"),
      Flag.withDefault(1),
    ),
    worker: Flag.String("worker").pipe(
      Flag.withDescription("What lists call it (default: host and process id)"),
      Flag.withDefault(`${hostname()} ${process.pid}`),
    ),
    grace: seconds("grace", maxGraceSeconds, 5, "Between SIGTERM and SIGKILL when a command is to end"),
    later: seconds("later", 86_400, 60, "Pause of a task whose command has ended with exit code 75"),
    tenant,
  },
  Effect.fn("cli.tasks.work")(function* ({ agentTypes, command, concurrency, grace, later, tenant: whose, worker }) {
    if (concurrency < 1 || concurrency > maxConcurrency) {
      return yield* new BadRequest({ message: `--concurrency is from 1 to ${maxConcurrency}.` });
    }
    const how = { command, guardian: CommandGuardian.make(grace * 1_000), laterMillis: later * 1_000 };
    const runOne = run(how);
    const working = Effect.andThen(
      Output.note(`Working on ${agentTypes.join(", ")} (Ctrl-C ends)`),
      workOn({ agentTypes, concurrency, worker, run: (task) => Effect.scoped(runOne(task)) }),
    );
    return yield* storeFromNow(withTasks(working, whose));
  }),
).pipe(
  Command.withDescription("Run a command for each task of an agent type; it dies with this worker"),
  Command.withExamples([
    { command: "recollect tasks work --agent-type reviewer -- python review.py", description: "A worker in Python" },
  ]),
);
