/**
 * `recollect tasks work --agent-type TYPE -- COMMAND`: a worker in any language, one process for each task.
 *
 * Room: edge.
 *
 * The command reads the request as JSON on its stdin; what it prints is the output, as JSON where it is that. Exit code
 * 0 completes the task, any other fails the attempt, with the end of its stderr as the reason. It is sent SIGTERM when
 * its lease is lost, the task cancelled, or the worker stopped. It is given its task's id and attempt as
 * `RECOLLECT_TASK_ID` and `RECOLLECT_TASK_ATTEMPT`.
 */
import { Effect } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { spawn } from "node:child_process";
import { hostname } from "node:os";
import type { TaskError } from "../../../coordination/tasks/TaskLease.ts";
import { type Running, work as workOn } from "../../../coordination/tasks/Worker.ts";
import { BadRequest } from "../Failure.ts";
import { storeFromNow, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { withTasks } from "./TaskStore.ts";

/** Most output of a command: more is no result but a log. It is held in memory while it runs. */
const maxOutputBytes = 64 * 1024 * 1024;
/** Length of stderr that is kept as the reason of a failure. */
const maxReasonLength = 2_000;
/** Most tasks that one worker runs side by side: each is a process. */
const maxConcurrency = 256;

const outputOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text.replace(/\n$/, "");
  }
};

/** Runs the command for one task. Interruption ends it by SIGTERM and does not wait for it. */
const run = (command: ReadonlyArray<string>) => (task: Running) =>
  Effect.callback<unknown, TaskError & { readonly retry?: "never" }>((resume) => {
    const [program = "", ...args] = command;
    const env = { ...process.env, RECOLLECT_TASK_ID: task.taskId, RECOLLECT_TASK_ATTEMPT: String(task.attempt) };
    const child = spawn(program, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    const out: Array<Buffer> = [];
    let bytes = 0;
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes <= maxOutputBytes) out.push(chunk);
      else child.kill();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      process.stderr.write(text);
      said = (said + text).slice(-maxReasonLength);
    });
    // A command that does not read its request closes the pipe; that is its right.
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(task.request));
    child.on("error", ({ message }) => resume(Effect.fail({ type: "CannotRun", message, retry: "never" })));
    child.on("close", (code, signal) => {
      if (bytes > maxOutputBytes) {
        const message = `it printed more than ${maxOutputBytes} bytes`;
        resume(Effect.fail({ type: "OutputTooLarge", message, retry: "never" }));
      } else if (code === 0) resume(Effect.succeed(outputOf(Buffer.concat(out).toString("utf8"))));
      else resume(Effect.fail({ type: `exit ${code ?? signal}`, message: said.trim().toWellFormed() }));
    });
    return Effect.sync(() => void child.kill());
  });

export const work = Command.make(
  "work",
  {
    agentTypes: Flag.String("agent-type").pipe(
      Flag.withDescription("Whose tasks; may be given several times"),
      Flag.atLeast(1),
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription("Runs once for each task: request on stdin, output on stdout"),
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
    tenant,
  },
  Effect.fn("cli.tasks.work")(function* ({ agentTypes, command, concurrency, tenant: whose, worker }) {
    if (concurrency < 1 || concurrency > maxConcurrency) {
      return yield* new BadRequest({ message: `--concurrency is from 1 to ${maxConcurrency}.` });
    }
    const working = Effect.andThen(
      Output.note(`Working on ${agentTypes.join(", ")} (Ctrl-C ends)`),
      workOn({ agentTypes, concurrency, worker, run: run(command) }),
    );
    return yield* storeFromNow(withTasks(working, whose));
  }),
).pipe(
  Command.withDescription("Run a command for each task of an agent type"),
  Command.withExamples([
    { command: "recollect tasks work --agent-type reviewer -- python review.py", description: "A worker in Python" },
  ]),
);
