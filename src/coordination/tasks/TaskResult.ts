/**
 * Status and end of a task, as all doors give it.
 *
 * Room: coordination.
 */
import { Effect, Option, Schema } from "effect";
import type { TaskStatus } from "../../domain/Fact.ts";
import { type InputRequest, type McpTaskStatus, mcpStatusOf, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import { shown } from "../config/TaskLimits.ts";
import type { Desk } from "./TaskMoves.ts";
import { TaskNotFound } from "./TaskErrors.ts";

/** Status or end of a task. Times in epoch milliseconds. */
export interface TaskResult {
  readonly taskId: string;
  readonly status: TaskStatus;
  /** The status in the words of MCP's tasks. */
  readonly mcpStatus: McpTaskStatus;
  /** Claims that counted so far. */
  readonly attempt: number;
  /** Its last worker. */
  readonly worker: string | null;
  readonly message: string | null;
  readonly progress: number | null;
  readonly total: number | null;
  /** Open requests for input, while it is `input_required`. */
  readonly inputRequests: ReadonlyArray<InputRequest & { readonly key: string }>;
  readonly output: unknown;
  readonly error: { readonly type: string; readonly message: string | null } | null;
  /** It failed because its last attempt did. */
  readonly deadLetter: boolean;
  readonly endedAt: number | null;
  /** Time from which it is archived: `tasks.retentionMillis` after it ended or was last restored. */
  readonly archivedAt: number | null;
}

export const notFound = (taskId: string) =>
  new TaskNotFound({ taskId, message: `There is no task ${shown(taskId)}.`, hint: "recollect tasks lists them." });

const utf8 = new TextDecoder();

const decodeJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown));

/** The whole output, also when it was too large for its event. */
const outputOf = Effect.fnUntraced(function* ({ log }: Desk, { end }: TaskRecord) {
  if (end?.outputBlob == null) return end?.output ?? null;
  const bytes = yield* log.getBlob(end.outputBlob.sha256);
  if (bytes === undefined) return end.output ?? null;
  const text = utf8.decode(bytes);
  return end.outputIsText ? text : Option.getOrElse(decodeJson(text), () => text);
});

/** `retention`: how long it is recent after its end, milliseconds. */
export const resultOf = Effect.fnUntraced(function* (
  desk: Desk,
  taskId: string,
  record: TaskRecord,
  retention: number,
) {
  const { asked, attempt, end, recentSince, requests, said, status, worker } = record;
  if (status === undefined) return yield* notFound(taskId);
  return {
    taskId,
    status,
    mcpStatus: mcpStatusOf(status),
    attempt,
    worker: worker ?? null,
    message: said.message ?? null,
    progress: said.progress ?? null,
    total: said.total ?? null,
    inputRequests: asked.map((key) => ({ key, ...(requests[key] ?? { message: null, schema: null }) })),
    output: yield* outputOf(desk, record),
    error: end?.error == null ? null : { type: end.error.type, message: end.error.message ?? null },
    deadLetter: end?.deadLetter ?? false,
    endedAt: end?.at ?? null,
    archivedAt: recentSince === undefined ? null : recentSince + retention,
  } satisfies TaskResult;
});
