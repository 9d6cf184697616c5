/**
 * Refusals of the tasks that are asked for by id.
 *
 * Room: coordination.
 */
import { Schema } from "effect";

/** No task of that id was ever submitted. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", {
  taskId: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Only what has ended without completing is tried again. */
export class CannotRetry extends Schema.TaggedError<CannotRetry>()("CannotRetry", {
  taskId: Schema.String,
  status: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}
