/**
 * Answers that were given again in place of new ones: what the response cache saved.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { ResponseWasReused } from "../src/domain/Fact.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const reused = (event: RecordedEvent, fact: ResponseWasReused): Change => ({
  table: "reused_responses",
  row: {
    sequence: event.sequence,
    thread_id: event.history.id,
    tenant: event.history.tenant,
    kind: fact.kind,
    name: fact.name,
    request_key: fact.key,
    call_key: fact.callKey,
    message_id: fact.messageId,
    came_from: fact.from,
    bytes: fact.bytes,
    saved_millis: fact.savedMillis,
    answered_at: fact.answeredAt,
    reused_at: event.occurredAt,
  },
});

export const reusedResponses: Projection = {
  name: "reused_responses",
  version: 3,
  doc: "Answers that were given again.",
  tables: [
    {
      name: "reused_responses",
      doc: "One row per answer that was given again.",
      key: ["sequence"],
      columns: {
        sequence: { type: "integer", doc: "Sequence of the event." },
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        kind: { type: "name", doc: "tool or model." },
        name: { type: "name", doc: "Tool or model." },
        request_key: { type: "text", doc: "SHA-256 of what was asked." },
        call_key: { type: "text", doc: "Tool call." },
        message_id: { type: "id", doc: "Message." },
        came_from: { type: "name", doc: "Where it lay." },
        bytes: { type: "integer", doc: "Size of the answer." },
        saved_millis: { type: "real", doc: "Time that the answer had taken." },
        answered_at: { type: "integer", doc: "Epoch milliseconds." },
        reused_at: { type: "integer", doc: "Epoch milliseconds." },
      },
      indexes: [["thread_id", "tenant", "sequence"], ["call_key"]],
    },
  ],
  views: [
    {
      name: "v_reused_responses",
      doc: "One row per answer that was given again in place of a new one.",
      columns: {
        thread_id: "Thread that it was given in.",
        tenant: "Tenant the thread belongs to.",
        kind: "Whose answer it is: tool or model.",
        name: "Name of the tool or model.",
        request_key: "SHA-256 of what was asked, in canonical form; equal for equal requests.",
        call_key: "The tool call it answered, as v_tool_calls.call_key; null for a model.",
        message_id: "Message it was asked for; null when not said.",
        came_from: "process, shared, or flight for one that another was still waiting for; null when not said.",
        response_bytes: "Size of the answer as JSON in bytes; null when not said.",
        saved_millis: "How long the answer had taken when it was new, milliseconds; null when not said.",
        answered_at: "When it was given first, epoch milliseconds; null when not said.",
        reused_at: "When it was given again, epoch milliseconds.",
        sequence: "Stream sequence of the event.",
      },
      select: `SELECT t.text, ${nameText("r.tenant")}, ${nameText("r.kind")}, ${nameText("r.name")}, r.request_key, r.call_key,
        ${idText("r.message_id")}, ${nameText("r.came_from")}, r.bytes, r.saved_millis, r.answered_at, r.reused_at, r.sequence
        FROM reused_responses r LEFT JOIN names t ON t.name = r.thread_id`,
    },
    {
      name: "v_reuse_stats",
      doc: "One row per tool or model whose answers were given again: how often, and what it saved.",
      columns: {
        tenant: "Tenant it belongs to.",
        kind: "tool or model.",
        name: "Name of the tool or model.",
        reuses: "How often an answer was given again.",
        requests: "Different requests among them.",
        threads: "Threads it happened in.",
        saved_millis: "Time that new answers would have taken, as far as it is known, milliseconds.",
        response_bytes: "Bytes of all answers that were given again.",
        last_at: "When it last happened, epoch milliseconds.",
      },
      select: `SELECT ${nameText("r.tenant")}, ${nameText("r.kind")}, ${nameText("r.name")}, count(*), count(DISTINCT r.request_key),
        count(DISTINCT r.thread_id), coalesce(sum(r.saved_millis), 0), coalesce(sum(r.bytes), 0), max(r.reused_at)
        FROM reused_responses r GROUP BY r.tenant, r.kind, r.name`,
    },
  ],
  facts: ["ResponseWasReused"],
  handle: (event, facts) => facts.flatMap((fact) => (fact._tag === "ResponseWasReused" ? [reused(event, fact)] : [])),
};
