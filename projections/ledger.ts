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
import { joinTenant, numberOf, quarterMillis } from "./activity/sums.ts";
import { actorOf, meaningOf } from "./meaning.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { type Cell, nameText, type Projection, type RowChange, Utf8 } from "../src/projection/Projection.ts";

/** Bodies are JSON, so text; bytes that are no UTF-8 stay bytes. */
const readable = (body: Uint8Array): Cell => (isUtf8(body) ? new Utf8(body) : body);

const ofEvent = (event: RecordedEvent, facts: ReadonlyArray<Fact>): RowChange["row"] => ({
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
  bytes: event.body.byteLength,
  meaning: meaningOf(facts),
  known_actor: actorOf(event, facts),
  data: readable(event.body),
});

const ofMisfit = (misfit: Misfit): RowChange["row"] => ({
  sequence: misfit.sequence,
  subject: misfit.subject,
  problem: misfit.problem,
  extensions: JSON.stringify(misfit.headers),
  recorded_at: misfit.recordedAt,
  digest: misfit.digest ?? digestOfEntry(misfit),
  bytes: misfit.body.byteLength,
  data: readable(misfit.body),
});

/** Row of the ledger: content, time and source of an entry. A misfit has no type: none of our names is empty. */
const taken = (entry: LogEntry, facts: ReadonlyArray<Fact>): RowChange => {
  const event = isMisfit(entry) ? undefined : entry;
  return {
    table: "event_activity",
    row: {
      quarter_at: entry.recordedAt - (entry.recordedAt % quarterMillis),
      kind: event?.history.kind ?? "",
      history_id: event?.history.id ?? "",
      tenant: event?.history.tenant ?? "",
      source: event?.source ?? "",
      type: event?.type ?? "",
      meaning: meaningOf(facts) ?? "",
      actor: event === undefined ? "" : (event.actor ?? actorOf(event, facts) ?? ""),
      events: 1,
      bytes: entry.body.byteLength,
      first_sequence: entry.sequence,
    },
  };
};

/** Kept as it was said, and marked. */
const isAhead = `coalesce(e.occurred_at > e.recorded_at + ${mostAheadMillis}, 0)`;

const token = (column: string): string => nameText(`e.${column}`);

const threadSession = `(SELECT ${nameText("t.session")} FROM threads t WHERE t.thread_id = e.history_id AND t.tenant = e.tenant)`;

/** The tool call that an event of a thread tells of first. */
const callId = `coalesce((SELECT c.call_id FROM tool_calls c WHERE c.thread_id = e.history_id AND c.tenant = e.tenant
    AND c.second_hand IN (0, 1) AND c.sequence = e.sequence LIMIT 1), (SELECT c.call_id FROM tool_calls c
    WHERE c.thread_id = e.history_id AND c.tenant = e.tenant AND c.result_sequence = e.sequence LIMIT 1))`;

export const ledger: Projection = {
  name: "ledger",
  version: 9,
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
        bytes: { type: "integer", doc: "Size of the body." },
        meaning: { type: "name", doc: "What it was, in words." },
        known_actor: { type: "name", doc: "Who did it by what it says, where the writer names nobody." },
        data: { type: "any", doc: "The body: text when it is UTF-8, else bytes." },
        subject: { type: "text", doc: "Subject of a misfit." },
        problem: { type: "text", doc: "Why a misfit is no event." },
      },
      // Decision: ids as they are stored and not as text: at 1,010,410 events the index took 51 MB as text.
      indexes: [["history_id", "sequence"], ["event_id"]],
    },
    {
      name: "event_activity",
      doc: "One row per quarter of an hour, history, source, type, meaning and actor.",
      key: ["quarter_at", "kind", "history_id", "tenant", "source", "type", "meaning", "actor"],
      clustered: true,
      hot: true,
      columns: {
        quarter_at: {
          type: "integer",
          doc: "Beginning of the quarter in which the log took them, epoch milliseconds.",
        },
        kind: { type: "name", doc: "Kind of the history." },
        history_id: { type: "name", doc: "Id of the history." },
        tenant: { type: "name", doc: "Tenant." },
        source: { type: "name", doc: "Who wrote them." },
        type: { type: "name", doc: "Event type." },
        meaning: { type: "name", doc: "What they were." },
        actor: { type: "name", doc: "Who did them." },
        events: { type: "integer", merge: "sum", doc: "How many." },
        bytes: { type: "integer", merge: "sum", doc: "Bytes of their bodies." },
        first_sequence: { type: "integer", merge: "min", doc: "The first of them." },
      },
      indexes: [["history_id", "tenant"]],
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
        subject:
          "Id of the thread, task, session, source or configuration it is about; null when the message is no event.",
        misfit_subject: "Raw subject of a message that is no event; null for events.",
        meaning:
          "What it was, whichever way it came, as words in order: prompt, answer, tool_called, tool_returned, tokens_used, file_read, task_running …; null when nothing here understands it.",
        source: "Who wrote the event: a program and, for imports, the format.",
        actor:
          "Who did it: on whose behalf it was written, else by what it says (author, model, tool, role); null when not known.",
        session: "Session it was written in, else the one its thread was opened in; null when not known.",
        correlation_id:
          "What the whole chain of events belongs to: as its writer says, else the tool call that it tells of; null when not known.",
        causation_id: "Id of the event that caused this one; null when not said.",
        traceparent: "W3C trace context; null when not said.",
        extensions: "Further attributes as a JSON object; for a misfit, its headers.",
        occurred_at: "When it happened as its writer said, epoch milliseconds, by the writer's clock.",
        recorded_at: "When the log took it, epoch milliseconds, by the log's clock.",
        is_ahead: "1 when occurred_at is over five minutes later than recorded_at, which counts in its place, else 0.",
        data: "The event's data as JSON text; bytes when the body is not UTF-8.",
        data_bytes: "Size of the data in bytes.",
        problem: "Why a stored message is no event, as one sentence; null for events.",
        digest:
          "SHA-256 of subject, attributes and data as they are stored, in hexadecimal; docs/integrity.md has the form.",
        wire_headers:
          "The attributes as they are stored, as a JSON object; null where they are spelled as we spell them.",
        stored_actor: "Actor as the event itself names it; null when it does not.",
        stored_session: "Session as the event itself names it; null when it does not.",
        stored_correlation_id: "Correlation id as the event itself names it; null when it does not.",
        principal:
          "Who wrote it as the server knows it: the user of the NATS connection, or the name of the HTTP token; null for programs of the data folder's own user, who writes past the daemon.",
        event_key: "The event's id as it is stored, a UUID as its 16 bytes: searched by it, the index is used.",
      },
      select: `SELECT e.sequence, ${idText("e.event_id")}, ${token("type")}, e.schema_version, ${token("tenant")},
        ${token("kind")}, h.text, e.subject, ${token("meaning")}, ${token("source")}, coalesce(${token("actor")}, ${token("known_actor")}),
        coalesce(${token("session")}, ${threadSession}), coalesce(${idText("e.correlation_id")}, ${callId}), ${idText("e.causation_id")},
        e.traceparent, e.extensions, e.occurred_at, e.recorded_at, ${isAhead}, e.data, e.bytes, e.problem, lower(hex(e.digest)),
        e.headers, ${token("actor")}, ${token("session")}, ${idText("e.correlation_id")},
        iif(e.problem IS NULL, e.extensions ->> '$.principal', NULL), e.event_id
        FROM events e LEFT JOIN names h ON h.name = e.history_id`,
    },
    {
      name: "v_event_activity",
      doc: "One row per quarter of an hour, history, source, type, meaning and actor: what the log took, and how large it is. May be added up.",
      columns: {
        quarter_at: "Beginning of the quarter of an hour in UTC in which the log took them, epoch milliseconds.",
        kind: "Kind of history: thread, task, session, source, config or store; empty for messages that are no events.",
        subject: "Id of the thread, task, session, source or configuration they are about.",
        tenant: "Tenant it belongs to.",
        source: "Who wrote them: a program and, for imports, the format.",
        type: "Event type.",
        meaning: "What they were, as in v_events.",
        actor: "Who did them, as in v_events; null when not said.",
        events: "Events.",
        data_bytes: "Bytes of their data.",
        first_sequence: "Stream sequence of the first of them: what the log took since then has no smaller one.",
        subject_number: "Number of the subject in this database: counted in place of it, which is a text.",
        type_number: numberOf("the type"),
        meaning_number: numberOf("the meaning"),
        actor_number: numberOf("the actor"),
      },
      select: `SELECT a.quarter_at, ${nameText("a.kind")}, h.text, w.text, ${nameText("a.source")}, ${nameText("a.type")},
        ${nameText("a.meaning")}, nullif(${nameText("a.actor")}, ''), a.events, a.bytes, a.first_sequence, a.history_id,
        a.type, a.meaning, a.actor FROM event_activity a LEFT JOIN names h ON h.name = a.history_id ${joinTenant("a")}`,
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
  record: (entry: LogEntry, facts: ReadonlyArray<Fact>) => [
    { table: "events", row: isMisfit(entry) ? ofMisfit(entry) : ofEvent(entry, facts) },
    taken(entry, facts),
  ],
  facts: [],
  handle: () => [],
};
