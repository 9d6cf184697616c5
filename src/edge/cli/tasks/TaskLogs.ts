/**
 * `recollect tasks logs ID`: what the programs of a task wrote to stdout and stderr.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import * as Tasks from "../../../coordination/tasks/Tasks.ts";
import { store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { withTasks } from "./TaskStore.ts";
import { taskId } from "./TaskVerbs.ts";

export const logs = Command.make(
  "logs",
  {
    taskId,
    attempt: Flag.Int("attempt").pipe(
      Flag.withMetavar("NUMBER"),
      Flag.withDescription("Only this attempt, from 1 (default: all of them)"),
      Flag.optional,
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Go on with what comes, up to the task's end"),
    ),
    tenant,
    json: Flag.Boolean("json").pipe(Flag.withDefault(false), Flag.withDescription("One object per line")),
  },
  Effect.fn("cli.tasks.logs")(function* (input) {
    const wanted = Option.getOrUndefined(input.attempt);
    const shown = Tasks.Tasks.use((tasks) =>
      tasks.logs(input.taskId, { follow: input.follow ? "until its end" : undefined }).pipe(
        Stream.filter(({ attempt }) => wanted === undefined || attempt === null || attempt === wanted),
        Stream.runForEach((piece) =>
          Effect.gen(function* () {
            if (input.json) return yield* Output.json(piece);
            if (piece.omittedBytes > 0) yield* Output.line(`… ${piece.omittedBytes} bytes were left out …`);
            yield* Output.line(piece.text.replace(/\n$/, ""));
          }),
        ),
      ),
    );
    return yield* store(withTasks(shown, input.tenant));
  }),
).pipe(
  Command.withDescription("Show what the programs of a task wrote to stdout and stderr, at most 1 MiB an attempt"),
  Command.withExamples([
    { command: "recollect tasks logs TASK", description: "Of all its attempts, in order" },
    { command: "recollect tasks logs TASK --follow", description: "As it comes, up to its end" },
  ]),
);
