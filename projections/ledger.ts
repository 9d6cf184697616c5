/**
 * The ledger: every event with every field an auditor asks for, and every stored message that is no event.
 *
 * Room: projections.
 *
 * A second copy of the stream, on disk before its checkpoint: it can tell what the stream has lost.
 */
import { isUtf8 } from "node:buffer";
import { isMisfit, type LogEntry, type Misfit, type RecordedEvent } from "../src/domain/Event.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { type Cell, nameText, type Projection, type RowChange, Utf8 } from "../src/projection/Projection.ts";

/** Bodies are JSON, so text; bytes that are no UTF-8 stay bytes. */
const readable = (body: Uint8Array): Cell => (isUtf8(body) ? new Utf8(body) : body);

const ofEvent = (event: RecordedEvent): RowChange["row"] => ({
  sequence: event.sequence,
  event_id: event.id,
  type: event.type,
  schema_version: event.schemaVersion,
  tenant: event.history.tenant,
  kind: event.history.kind,
  history_id: event.history.id,
  source: event.source,
  actor: event.actor,
  session: event.session,
  correlation_id: event.correlationId,
  causation_id: event.causationId,
  traceparent: event.traceparent,
  extensions: event.extensions === undefined ? undefined : JSON.stringify(event.extensions),
  occurred_at: event.occurredAt,
  recorded_at: event.recordedAt,
  data: readable(event.body),
});

const ofMisfit = (misfit: Misfit): RowChange["row"] => ({
  sequence: misfit.sequence,
  subject: misfit.subject,
  problem: misfit.problem,
  extensions: JSON.stringify(misfit.headers),
  recorded_at: misfit.recordedAt,
  data: readable(misfit.body),
});

const token = (column: string): string => nameText(`e.${column}`);

export const ledger: Projection = {
  name: "ledger",
  version: 1,
  doc: "Every event, as it was recorded: the audit ledger.",
  tables: [
    {
      name: "events",
      doc: "One row per stream sequence. A misfit has a subject, a problem, and its headers as extensions.",
      key: ["sequence"],
      columns: {
        sequence: { type: "integer", doc: "Stream sequence." },
        event_id: { type: "id", doc: "Id of the event." },
        type: { type: "name", doc: "Event type." },
        schema_version: { type: "integer", doc: "Schema version of the data." },
        tenant: { type: "name", doc: "Tenant." },
        kind: { type: "name", doc: "Kind of the history." },
        history_id: { type: "name", doc: "Id of the history." },
        source: { type: "name", doc: "Who wrote it: a program and format." },
        actor: { type: "name", doc: "On whose behalf." },
        session: { type: "name", doc: "Session." },
        correlation_id: { type: "id", doc: "What the whole chain belongs to." },
        causation_id: { type: "id", doc: "The event that caused it." },
        traceparent: { type: "text", doc: "W3C trace context." },
        extensions: { type: "text", doc: "Further attributes as JSON; a misfit's headers." },
        occurred_at: { type: "integer", doc: "When it happened, epoch milliseconds, the writer's clock." },
        recorded_at: { type: "integer", doc: "When the log took it, epoch milliseconds." },
        data: { type: "any", doc: "The body: text when it is UTF-8, else bytes." },
        subject: { type: "text", doc: "Subject of a misfit." },
        problem: { type: "text", doc: "Why a misfit is no event." },
      },
      indexes: [["history_id", "sequence"], [idText("event_id")]],
    },
  ],
  views: [
    {
      name: "v_events",
      doc: "The ledger: one row for each stored message of the stream, in its order, never changed and never removed.",
      columns: {
        sequence: "Position in the stream, from 1.",
        event_id: "Unique id of the event; the same id is never recorded twice.",
        type: "What happened, such as thread.message_appended; null when the message is no event (see problem).",
        schema_version: "Version of the shape of data.",
        tenant: "Tenant the history belongs to.",
        kind: "Kind of history: thread, task, session, source or config.",
        subject: "Id of the thread, task, session, source or configuration it is about; a misfit's raw subject.",
        source: "Who wrote the event: a program and, for imports, the format.",
        actor: "On whose behalf it was written; null when not said.",
        session: "Session it was written in; null when not said.",
        correlation_id: "What the whole chain of events belongs to; null when not said.",
        causation_id: "Id of the event that caused this one; null when not said.",
        traceparent: "W3C trace context; null when not said.",
        extensions: "Further attributes as a JSON object; for a misfit, its headers.",
        occurred_at: "When it happened, epoch milliseconds, by the writer's clock.",
        recorded_at: "When the log took it, epoch milliseconds, by the log's clock.",
        data: "The event's data as JSON text; bytes when the body is not UTF-8.",
        bytes: "Size of the data in bytes.",
        problem: "Why a stored message is no event, as one sentence; null for events.",
      },
      select: `SELECT e.sequence, ${idText("e.event_id")}, ${token("type")}, e.schema_version, ${token("tenant")},
        ${token("kind")}, coalesce(h.text, e.subject), ${token("source")}, ${token("actor")}, ${token("session")},
        ${idText("e.correlation_id")}, ${idText("e.causation_id")}, e.traceparent, e.extensions, e.occurred_at,
        e.recorded_at, e.data, length(CAST(e.data AS BLOB)), e.problem
        FROM events e LEFT JOIN names h ON h.name = e.history_id`,
    },
  ],
  record: (entry: LogEntry) => [{ table: "events", row: isMisfit(entry) ? ofMisfit(entry) : ofEvent(entry) }],
  facts: [],
  handle: () => [],
};
