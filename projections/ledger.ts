/**
 * The ledger: every event with every field an auditor asks for, and every stored message that is no event.
 *
 * Room: projections.
 *
 * A second copy of the stream, on disk before its checkpoint: it can tell what the stream has lost.
 */
import { isUtf8 } from "node:buffer";
import { mostAheadMillis } from "../src/domain/EntryTimes.ts";
import { isMisfit, type LogEntry, type Misfit, type RecordedEvent } from "../src/domain/Event.ts";
import { storeRecord } from "../src/domain/History.ts";
import { digestOfEntry } from "../src/log/Envelope.ts";
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
  headers: event.wire === undefined ? undefined : JSON.stringify(event.wire),
  occurred_at: event.occurredAt,
  recorded_at: event.recordedAt,
  digest: event.digest ?? digestOfEntry(event),
  data: readable(event.body),
});

const ofMisfit = (misfit: Misfit): RowChange["row"] => ({
  sequence: misfit.sequence,
  subject: misfit.subject,
  problem: misfit.problem,
  extensions: JSON.stringify(misfit.headers),
  recorded_at: misfit.recordedAt,
  digest: misfit.digest ?? digestOfEntry(misfit),
  data: readable(misfit.body),
});

/** Kept as it was said, and marked. */
const isAhead = `coalesce(e.occurred_at > e.recorded_at + ${mostAheadMillis}, 0)`;

const token = (column: string): string => nameText(`e.${column}`);

export const ledger: Projection = {
  name: "ledger",
  version: 3,
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
        headers: {
          type: "text",
          doc: "The attributes as they are stored, where they are spelled otherwise than we spell them.",
        },
        occurred_at: { type: "integer", doc: "When it happened, epoch milliseconds, the writer's clock." },
        recorded_at: { type: "integer", doc: "When the log took it, epoch milliseconds." },
        digest: { type: "blob", doc: "SHA-256 of what is stored." },
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
        kind: "Kind of history: thread, task, session, source, config or store.",
        subject: "Id of the thread, task, session, source or configuration it is about; a misfit's raw subject.",
        source: "Who wrote the event: a program and, for imports, the format.",
        actor: "On whose behalf it was written; null when not said.",
        session: "Session it was written in; null when not said.",
        correlation_id: "What the whole chain of events belongs to; null when not said.",
        causation_id: "Id of the event that caused this one; null when not said.",
        traceparent: "W3C trace context; null when not said.",
        extensions: "Further attributes as a JSON object; for a misfit, its headers.",
        occurred_at: "When it happened as its writer said, epoch milliseconds, by the writer's clock.",
        recorded_at: "When the log took it, epoch milliseconds, by the log's clock.",
        is_ahead: "1 when occurred_at is over five minutes later than recorded_at, which counts in its place, else 0.",
        data: "The event's data as JSON text; bytes when the body is not UTF-8.",
        bytes: "Size of the data in bytes.",
        problem: "Why a stored message is no event, as one sentence; null for events.",
        digest:
          "SHA-256 of subject, attributes and data as they are stored, in hexadecimal; docs/integrity.md has the form.",
        wire_headers:
          "The attributes as they are stored, as a JSON object; null where they are spelled as we spell them.",
      },
      select: `SELECT e.sequence, ${idText("e.event_id")}, ${token("type")}, e.schema_version, ${token("tenant")},
        ${token("kind")}, coalesce(h.text, e.subject), ${token("source")}, ${token("actor")}, ${token("session")},
        ${idText("e.correlation_id")}, ${idText("e.causation_id")}, e.traceparent, e.extensions, e.occurred_at,
        e.recorded_at, ${isAhead}, e.data, length(CAST(e.data AS BLOB)), e.problem, lower(hex(e.digest)), e.headers
        FROM events e LEFT JOIN names h ON h.name = e.history_id`,
    },
    {
      name: "v_store_events",
      doc: "What became of the store itself: events that were lost, losses that somebody accepted, heals.",
      columns: {
        sequence: "Position in the stream, from 1.",
        type: "recollect.event_lost, recollect.loss_accepted or recollect.healed.",
        actor: "Who did it; null when not said.",
        reason: "Why, in their words.",
        events: "How many events were lost: 1 for a lost event, all together for an accepted loss; null for a heal.",
        ranges: "Which sequences, as a JSON array of first and last.",
        kept: "File in the data folder that holds what only the ledger had; null when there is none.",
        occurred_at: "When, epoch milliseconds.",
        data: "Everything the event says, as JSON.",
      },
      select: `SELECT e.sequence, ${token("type")}, ${token("actor")}, json_extract(e.data, '$.reason'),
        CASE ${token("type")} WHEN 'recollect.event_lost' THEN 1 ELSE json_extract(e.data, '$.events') END,
        coalesce(json_extract(e.data, '$.ranges'), json_extract(e.data, '$.lost'), json_array(json_object('first', e.sequence, 'last', e.sequence))),
        json_extract(e.data, '$.kept'), e.occurred_at, e.data
        FROM events e
        WHERE e.history_id = (SELECT name FROM names WHERE text = '${storeRecord.id}')
          AND e.kind = (SELECT name FROM names WHERE text = '${storeRecord.kind}')
          AND typeof(e.data) = 'text' AND json_valid(e.data)`,
    },
  ],
  record: (entry: LogEntry) => [{ table: "events", row: isMisfit(entry) ? ofMisfit(entry) : ofEvent(entry) }],
  facts: [],
  handle: () => [],
};
