/**
 * The facts of our own events: nearly one to one.
 *
 * Room: domain.
 */
import type { Part } from "./thread/Content.ts";
import type { RecordedEvent } from "./Event.ts";
import type { Fact, TaskMoved, TaskStatus } from "./Fact.ts";
import { errorText, resultText } from "./interpret/facts.ts";
import { type JsonValue, utf8Length } from "./Json.ts";
import { shortId } from "./Truncate.ts";
import type { TaskQueueing } from "./task/TaskEvents.ts";
import { pausedUntil, queueingOf } from "./task/TaskRecord.ts";
import type { Decoded } from "./Upcast.ts";

type Known = Exclude<Decoded, { readonly _tag: "Unknown" }>;
type MessageAppended = Extract<Known, { readonly type: "thread.message_appended" }>["data"];

/** JSON text of a value that came out of JSON; a missing one is `null`. */
const jsonText = (value: unknown): string => JSON.stringify(value ?? null);

/** A moment in whole milliseconds, as the read models have it, within what a date can hold. */
const moment = (at: number | null | undefined): number | undefined =>
  at == null ? undefined : Math.trunc(Math.max(-lastMoment, Math.min(lastMoment, at)));
const lastMoment = 8_640_000_000_000_000;

/** Size of a result, bytes: a string counts as its own bytes, anything else as its JSON. */
const sizeOf = (value: unknown): number =>
  value == null ? 0 : utf8Length(typeof value === "string" ? value : JSON.stringify(value));

const partsOf = (data: MessageAppended): ReadonlyArray<Part> => [
  ...data.parts,
  ...(data.files ?? []).map((path): Part => ({ type: "file", path })),
  ...(data.images ?? []).map((url): Part => ({ type: "image", url })),
];

/** Our own publishers' call ids are unique in their thread. */
const callKeyOf = (event: RecordedEvent, callId: string): string => `${event.history.id} ${callId}`;

/**
 * The key that an agent's own record gives the same call, where a server or an editor's door recorded it beside the agent and
 * names the agent's id: Claude's ids are keys by themselves; what an agent has of the session `acp/<session>` is the thread
 * `<session>`. Undefined: no agent named it.
 */
const agentsKeyOf = ({ correlationId, history }: RecordedEvent): string | undefined => {
  if (correlationId === undefined || correlationId === "") return undefined;
  if (/^toolu_\w+$/.test(correlationId)) return correlationId;
  const [, session] = /^acp\/(.+)$/s.exec(history.id) ?? [];
  return session === undefined ? undefined : `${session} ${shortId(correlationId)}`;
};

/** Relation of a call to the agent's own record of it: counted there, once that is here. */
const copyOf = (event: RecordedEvent): { readonly copyOf?: string } => {
  const key = agentsKeyOf(event);
  return key === undefined ? {} : { copyOf: key };
};

const messageFacts = (data: MessageAppended, event: RecordedEvent): ReadonlyArray<Fact> => {
  const facts: Array<Fact> = [
    {
      _tag: "MessageSaid",
      messageId: data.messageId,
      segment: "",
      role: data.role,
      parts: partsOf(data),
      author: data.author ?? event.actor,
      parentMessageId: data.parentMessageId ?? undefined,
      tool: data.tool ?? undefined,
      provider: data.provider ?? undefined,
      model: data.model ?? undefined,
      stopReason: data.stopReason ?? undefined,
      cwd: data.cwd ?? undefined,
      branch: data.branch ?? undefined,
    },
  ];
  for (const part of data.parts) {
    if (part.type === "tool_use") {
      facts.push({
        _tag: "ToolWasCalled",
        callKey: callKeyOf(event, part.callId),
        callId: part.callId,
        name: part.name,
        server: part.server ?? undefined,
        arguments: jsonText(part.arguments),
        messageId: data.messageId,
      });
    } else if (part.type === "tool_result") {
      facts.push({
        _tag: "ToolHasReturned",
        callKey: callKeyOf(event, part.callId),
        callId: part.callId,
        outcome: part.isError === true ? "error" : "ok",
        errorMessage: part.isError === true ? errorText(part.text) : undefined,
        resultBytes: part.bytes ?? part.blob?.bytes ?? utf8Length(part.text),
        result: part.text,
      });
    }
  }
  if (data.usage != null) {
    facts.push({
      _tag: "TokensUsed",
      usageKey: `${event.history.id} ${data.providerMessageId ?? data.messageId} ${data.requestId ?? ""}`,
      providerMessageId: data.providerMessageId ?? data.messageId,
      requestId: data.requestId ?? undefined,
      messageId: data.messageId,
      provider: data.provider ?? undefined,
      model: data.model ?? undefined,
      usage: data.usage,
    });
  }
  return facts;
};

const moved = (status: TaskStatus | undefined, rest: Omit<TaskMoved, "_tag" | "status"> = {}): ReadonlyArray<Fact> => [
  { _tag: "TaskMoved", status, ...rest },
];

/** A task in the queue has a priority and a bound, whether its submitter named them or not. */
const queueFacts = (queue: TaskQueueing): Partial<TaskMoved> => {
  const { priority, maxAttempts, notBefore } = queueingOf(queue);
  return {
    priority,
    maxAttempts,
    notBefore: notBefore === 0 ? undefined : moment(notBefore),
    startBy: moment(queue.startBy),
  };
};

/** Facts of one of our own events. Total over the catalogue: a new type does not compile until it has a meaning. */
export const canonicalFacts = (
  event: Exclude<Known, { readonly type: "thread.entry_recorded" }>,
  recorded: RecordedEvent,
): ReadonlyArray<Fact> => {
  switch (event.type) {
    case "thread.opened": {
      const { data } = event;
      return [
        {
          _tag: "ThreadDescribed",
          title: data.title ?? undefined,
          tool: data.tool ?? undefined,
          client: data.client ?? undefined,
          provider: data.provider ?? undefined,
          model: data.model ?? undefined,
          cwd: data.cwd ?? undefined,
          branch: data.branch ?? undefined,
          session: data.session ?? recorded.session,
          parentThreadId: data.parentThreadId ?? undefined,
          tagsAdded: data.tags ?? undefined,
        },
      ];
    }
    case "thread.message_appended":
      return messageFacts(event.data, recorded);
    case "thread.tool_called":
      return [
        {
          _tag: "ToolWasCalled",
          callKey: callKeyOf(recorded, event.data.callId),
          callId: event.data.callId,
          name: event.data.name,
          server: event.data.server ?? undefined,
          arguments: jsonText(event.data.arguments),
          messageId: event.data.messageId ?? undefined,
          ...copyOf(recorded),
        },
      ];
    case "thread.tool_returned":
      return [
        {
          _tag: "ToolHasReturned",
          callKey: callKeyOf(recorded, event.data.callId),
          callId: event.data.callId,
          outcome: event.data.outcome,
          errorType: event.data.error?.type,
          errorMessage: event.data.error?.message ?? undefined,
          resultBytes: event.data.resultBytes ?? event.data.resultBlob?.bytes ?? sizeOf(event.data.result),
          result: resultText(event.data.result as JsonValue | undefined),
          durationMillis: event.data.durationMillis ?? undefined,
        },
      ];
    case "thread.file_read":
      return [
        {
          _tag: "FileWasRead",
          path: event.data.path,
          sha256: event.data.blob.sha256,
          bytes: event.data.blob.bytes,
          modifiedAt: event.data.modifiedAt ?? undefined,
          machine: event.data.machine ?? undefined,
          fromLine: event.data.fromLine ?? undefined,
          toLine: event.data.toLine ?? undefined,
          callId: event.data.callId ?? undefined,
          messageId: event.data.messageId ?? undefined,
        },
      ];
    case "thread.response_reused": {
      const { callId } = event.data;
      return [
        {
          _tag: "ResponseWasReused",
          key: event.data.key,
          kind: event.data.kind,
          name: event.data.name,
          answeredAt: moment(event.data.answeredAt),
          savedMillis: event.data.savedMillis ?? undefined,
          bytes: event.data.bytes ?? undefined,
          from: event.data.from ?? undefined,
          callKey: callId == null ? undefined : callKeyOf(recorded, callId),
          messageId: event.data.messageId ?? undefined,
        },
      ];
    }
    case "thread.renamed":
      return [{ _tag: "ThreadDescribed", title: event.data.title }];
    case "thread.tagged":
      return [
        {
          _tag: "ThreadDescribed",
          tagsAdded: event.data.add ?? undefined,
          tagsRemoved: event.data.remove ?? undefined,
        },
      ];
    case "thread.forked":
      return [{ _tag: "ThreadDescribed", parentThreadId: event.data.fromThreadId, relation: "fork" }];
    case "thread.archived":
      return [{ _tag: "ThreadDescribed", archived: true }];
    case "thread.deleted":
      return [{ _tag: "VisibilityChanged", isDeleted: true }];
    case "thread.expires":
      return [{ _tag: "VisibilityChanged", expiresAt: event.data.at }];
    case "thread.restored":
      return [{ _tag: "VisibilityChanged", isDeleted: false, expiresAt: 0 }];
    case "source.described":
      return [{ _tag: "Noted", kind: "source" }];
    case "task.submitted": {
      const { after, request, threadId, batchId, parentTaskId, place, retryOf, queue } = event.data;
      return moved("pending", {
        request,
        threadId: threadId ?? undefined,
        batchId: batchId ?? undefined,
        failFast: place?.failFast ?? undefined,
        isOrdered: (after ?? []).length > 0 ? true : undefined,
        parentTaskId: parentTaskId ?? undefined,
        retryOf: retryOf ?? undefined,
        ...(queue == null ? {} : queueFacts(queue)),
      });
    }
    case "task.claimed":
      return moved(event.data.begun === true ? "running" : "starting", {
        worker: event.data.worker ?? undefined,
        attempt: event.data.attempt ?? undefined,
      });
    case "task.released": {
      const { reason, error } = event.data;
      const message = error == null ? reason : `${reason}: ${error.message ?? error.type}`;
      return moved("pending", { message, notBefore: moment(pausedUntil(event.data, recorded)) });
    }
    case "task.started":
      return moved("running", { worker: event.data.worker ?? undefined });
    case "task.progressed":
      return moved(undefined, {
        message: event.data.message ?? undefined,
        progress: event.data.progress ?? undefined,
        total: event.data.total ?? undefined,
      });
    case "task.logged":
      return [{ _tag: "Noted", kind: "log" }];
    case "task.input_requested":
      return moved("input_required", { message: event.data.message ?? undefined });
    case "task.resumed":
      return moved((event.data.stillOpen ?? 0) > 0 ? "input_required" : "running", {
        message: event.data.message ?? undefined,
      });
    case "task.completed":
      return moved("completed", {
        output: jsonText(event.data.output),
        durationMillis: event.data.durationMillis ?? undefined,
      });
    case "task.failed":
      return moved("failed", {
        errorType: event.data.error.type,
        errorMessage: event.data.error.message ?? undefined,
        deadLetter: event.data.deadLetter ?? undefined,
        output: event.data.output == null ? undefined : jsonText(event.data.output),
        durationMillis: event.data.durationMillis ?? undefined,
      });
    case "task.timed_out":
      return moved("timeout", { durationMillis: event.data.afterMillis ?? undefined });
    case "task.cancelled":
      return moved("cancelled", { errorMessage: event.data.reason ?? undefined });
    case "task.restored":
      return moved(undefined, { restored: true });
    case "session.started": {
      const { data } = event;
      return [
        {
          _tag: "SessionSeen",
          moment: "started",
          client: data.client ?? undefined,
          server: data.server ?? undefined,
          protocolVersion: data.protocolVersion ?? undefined,
          transport: data.transport ?? undefined,
          threadId: data.threadId ?? undefined,
          cwd: data.cwd ?? undefined,
          command: data.command ?? undefined,
          machine: data.machine ?? undefined,
          processId: data.processId ?? undefined,
          leaseMillis: moment(data.leaseMillis),
        },
      ];
    }
    case "session.resumed":
      return [{ _tag: "SessionSeen", moment: "resumed" }];
    case "session.message_sent":
      return [
        {
          _tag: "AgentWrote",
          from: event.data.from,
          to: event.data.to,
          body: jsonText(event.data.body),
          inReplyTo: event.data.inReplyTo ?? undefined,
        },
      ];
    case "session.calls_refused":
      return [
        {
          _tag: "CallsRefused",
          ...event.data,
          user: event.data.user ?? undefined,
          firstAt: moment(event.data.firstAt) ?? 0,
          lastAt: moment(event.data.lastAt) ?? 0,
        },
      ];
    case "session.ended":
      return [
        {
          _tag: "SessionSeen",
          moment: "ended",
          reason: event.data.reason,
          exitCode: event.data.exitCode ?? undefined,
          signal: event.data.signal ?? undefined,
        },
      ];
    case "config.changed":
      return [
        {
          _tag: "ConfigurationChanged",
          changes: event.data.changes.map(({ field, value }) => ({
            field,
            value: value == null ? undefined : jsonText(value),
          })),
          why: event.data.why ?? undefined,
          rolledBackTo: event.data.rolledBackTo ?? undefined,
        },
      ];
    case "recollect.event_lost":
    case "recollect.loss_accepted":
    case "recollect.healed":
      return [{ _tag: "Noted", kind: "store" }];
  }
};
