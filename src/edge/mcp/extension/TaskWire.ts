/**
 * A task of ours in the words of MCP's tasks extension (2026-07-28), and its answers in ours.
 *
 * Room: edge.
 *
 * A worker whose output is a tool result (`content`, perhaps `isError`) decides itself what the caller reads; any other output
 * is one text. A task that failed for good is a protocol error to its caller.
 */
import { Schema } from "effect";
import type { RecordedEvent } from "../../../domain/Event.ts";
import { isObject, type JsonObject, type JsonValue, stringAt } from "../../../domain/Json.ts";
import type { GivenAnswer, TaskResult } from "../../../coordination/tasks/Tasks.ts";
import { codes } from "../Dispatch.ts";
import { known } from "../../../query/brief/Plain.ts";

export const extensionName = "io.modelcontextprotocol/tasks";

/** First and last time of its history, epoch milliseconds. */
export interface Times {
  readonly created: number | undefined;
  readonly updated: number | undefined;
}

/** Declared once: a fold is known by its identity, and only what is new is read again. */
export const times: { readonly initial: Times; readonly apply: (state: Times, event: RecordedEvent) => Times } = {
  initial: { created: undefined, updated: undefined },
  apply: ({ created }, { occurredAt }) => ({ created: created ?? occurredAt, updated: occurredAt }),
};

const isToolResult = Schema.is(
  Schema.Struct({
    content: Schema.Array(Schema.Struct({ type: Schema.String })),
    isError: Schema.optionalKey(Schema.Boolean),
  }),
);

const resultOf = (output: unknown): JsonObject => {
  if (isToolResult(output)) return output as unknown as JsonObject;
  const text = typeof output === "string" ? output : JSON.stringify(output ?? null);
  return { content: [{ type: "text", text }] };
};

/** Schema of a request without one: words. */
const inWords: JsonObject = {
  type: "object",
  properties: { answer: { type: "string", title: "Answer" } },
  required: ["answer"],
};

const requestOf = ({ message, schema }: TaskResult["inputRequests"][number]): JsonObject => ({
  method: "elicitation/create",
  params: {
    mode: "form",
    message: message ?? "The task asks for input.",
    requestedSchema: (schema as JsonObject | null) ?? inWords,
  },
});

const iso = (millis: number | undefined): string => new Date(millis ?? 0).toISOString();

/** Fields of every form of a task. It lives as long as the record: no time to live. */
export const envelope = (
  taskId: string,
  status: string,
  { created, updated }: Times,
  pollMillis: number,
): JsonObject => ({
  taskId,
  status,
  createdAt: iso(created),
  lastUpdatedAt: iso(updated ?? created),
  ttlMs: null,
  pollIntervalMs: pollMillis,
});

export const detailed = (task: TaskResult, at: Times, pollMillis: number): JsonObject => {
  const { error, inputRequests, mcpStatus: status, message, output } = task;
  const requests: JsonValue = Object.fromEntries(inputRequests.map((request) => [request.key, requestOf(request)]));
  return {
    resultType: "complete",
    ...envelope(task.taskId, status, at, pollMillis),
    ...(known({
      statusMessage: message,
      inputRequests: status === "input_required" ? requests : undefined,
      result: status === "completed" ? resultOf(output) : undefined,
      error:
        status === "failed"
          ? {
              code: codes.internal,
              message: error?.message ?? error?.type ?? task.status,
              data: { type: error?.type ?? task.status },
            }
          : undefined,
    }) as JsonObject),
  };
};

/** An answer of a person, as a task takes it. */
export const answerOf = (key: string, response: unknown): GivenAnswer => {
  const action = stringAt(response, "action") ?? "accept";
  if (action !== "accept") return { key, message: action };
  const content = isObject(response) ? (response["content"] ?? response) : response;
  const said = stringAt(content, "answer");
  return said === undefined ? { key, value: content } : { key, value: content, message: said };
};
