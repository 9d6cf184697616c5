/**
 * `recollect tasks submit --batch FILE` and `recollect tasks batch ID`: many tasks at once, and how they stand.
 *
 * Room: edge.
 *
 * The file has one JSON object per line, a task's request each: what schema/task.submitted.json says under `request`. The
 * agent type of the command line is that of the lines that name none. `after` in a line is what it waits for: places of
 * the batch from 0, and ids of other tasks. `-` is stdin.
 */
import { Effect, FileSystem, Option, Stdio, Stream } from "effect";
import { Argument, Command } from "effect/cli";
import * as Tasks from "../../../coordination/tasks/Tasks.ts";
import { maxBatch } from "../../../domain/task/TaskRecord.ts";
import { isObject } from "../../../domain/Json.ts";
import type { BatchRequest } from "../../../coordination/tasks/TaskSubmit.ts";
import { BadRequest } from "../Failure.ts";
import { json, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { withTasks } from "./TaskStore.ts";

/** A batch is at most 1,000 requests, and one append. */
const maxFileBytes = 64 * 1024 * 1024;

const textOf = Effect.fnUntraced(function* (path: string) {
  const unreadable = (why: string) =>
    new BadRequest({ message: `${path} cannot be read: ${why}.`, hint: "One JSON object per line; - reads stdin." });
  const tooLarge = unreadable(`it has more than ${maxFileBytes} bytes`);
  if (path === "-") {
    const { stdin } = yield* Stdio.Stdio;
    let bytes = 0;
    const bounded = Stream.mapEffect(
      Stream.mapError(stdin, ({ message }) => unreadable(message)),
      (piece) => ((bytes += piece.length) > maxFileBytes ? Effect.fail(tooLarge) : Effect.succeed(piece)),
    );
    return yield* Stream.mkString(Stream.decodeText(bounded));
  }
  const fs = yield* FileSystem.FileSystem;
  const { size } = yield* Effect.mapError(fs.stat(path), ({ message }) => unreadable(message));
  if (size > maxFileBytes) return yield* tooLarge;
  return yield* Effect.mapError(fs.readFileString(path), ({ message }) => unreadable(message));
});

/** The requests of a file, in its order; the refusal names the line. */
export const readRequests = Effect.fnUntraced(function* (path: string, agentType: string | undefined) {
  const requests: Array<BatchRequest> = [];
  for (const [at, line] of (yield* textOf(path)).split("\n").entries()) {
    if (line.trim() === "") continue;
    const wrong = (why: string) =>
      new BadRequest({
        message: `Line ${at + 1} of ${path}: ${why}.`,
        hint: "One JSON object per line, a request each.",
      });
    const value = yield* Effect.try({ try: () => JSON.parse(line) as unknown, catch: () => wrong("it is no JSON") });
    if (!isObject(value)) return yield* wrong("it is no object");
    const named = value["agentType"] ?? agentType;
    if (typeof named !== "string") return yield* wrong("it names no agentType, and the command line gives none");
    if (requests.length === maxBatch) return yield* wrong(`a batch has at most ${maxBatch} tasks`);
    // Whatever else is wrong with it is said by the submission itself.
    requests.push({ ...value, agentType: named });
  }
  return requests;
});

/** State of a batch, as a person reads it. */
const shown = (result: Tasks.BatchResult) =>
  Effect.gen(function* () {
    const { atOnce, batchId, completed, failed, failFast, open, size, status } = result;
    const how = `${atOnce < size ? `  ${atOnce} at once` : ""}${failFast ? "  fail fast" : ""}`;
    yield* Output.line(
      `${batchId}  ${status}  ${completed} of ${size} completed, ${failed} failed, ${open} open${how}`,
    );
    for (const text of Output.table(
      ["task", "status"],
      result.tasks.map((one) => [one.taskId, one.status]),
    ))
      yield* Output.line(text);
  });

/** Tasks that are waited for at once. */
const waitsAtOnce = 32;

/** Waits until all have ended, and shows the batch. */
export const ended = Effect.fnUntraced(function* (batchId: string, taskIds: ReadonlyArray<string>, asJson: boolean) {
  const tasks = yield* Tasks.Tasks;
  yield* Effect.forEach(taskIds, (id) => tasks.result(id), { concurrency: waitsAtOnce, discard: true });
  const result = yield* tasks.batch(batchId);
  yield* asJson ? Output.json(result) : shown(result);
});

export const batch = Command.make(
  "batch",
  { batch: Argument.String("batch").pipe(Argument.withDescription("Batch id")), tenant, json },
  Effect.fn("cli.tasks.batch")(function* (input) {
    const found = Tasks.Tasks.use((tasks) => tasks.batch(input.batch));
    const work = Effect.flatMap(found, (result) => (input.json ? Output.json(result) : shown(result)));
    return yield* store(withTasks(work, input.tenant));
  }),
).pipe(
  Command.withDescription("Show how the tasks of a batch stand, from the log"),
  Command.withExamples([{ command: "recollect tasks batch BATCH", description: "How its tasks stand" }]),
);

export interface Batching {
  readonly file: string;
  readonly agentType: Option.Option<string>;
  readonly sequential: boolean;
  readonly parallel: Option.Option<number>;
  readonly failFast: boolean;
}

/** Submits the tasks of a file as one batch. */
export const submitFile = Effect.fnUntraced(function* (given: Batching, submission: Tasks.BatchOptions) {
  const { agentType, failFast, file, parallel, sequential } = given;
  if (sequential && Option.isSome(parallel)) {
    return yield* new BadRequest({ message: "--sequential is --parallel 1: give one of them." });
  }
  const requests = yield* readRequests(file, Option.getOrUndefined(agentType));
  const tasks = yield* Tasks.Tasks;
  return yield* tasks.submitBatch(requests, {
    ...submission,
    failFast,
    atOnce: sequential ? 1 : Option.getOrUndefined(parallel),
  });
});
