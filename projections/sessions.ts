/**
 * Sessions: a client and a server that talked to each other for a while.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { SessionSeen } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const began = (event: RecordedEvent, fact: SessionSeen) => ({
  started_at: event.occurredAt,
  client: fact.client?.name,
  client_version: fact.client?.version,
  server: fact.server?.name,
  server_version: fact.server?.version,
  protocol_version: fact.protocolVersion,
  transport: fact.transport,
  thread_id: fact.threadId,
  cwd: fact.cwd,
  command: fact.command === undefined ? undefined : JSON.stringify(fact.command),
  machine: fact.machine,
  process_id: fact.processId,
  lease_millis: fact.leaseMillis,
});

/** A resumption takes the end back, an end states it whole. */
const ending = (event: RecordedEvent, fact: SessionSeen) => ({
  ended_at: fact.moment === "ended" ? event.occurredAt : null,
  reason: fact.reason,
  exit_code: fact.exitCode,
  signal: fact.signal,
});

const seen = (event: RecordedEvent, fact: SessionSeen): Change => ({
  table: "sessions",
  row: {
    session_id: event.history.id,
    tenant: event.history.tenant,
    ...(fact.moment === "started" ? began(event, fact) : ending(event, fact)),
    first_sequence: event.sequence,
    last_sequence: event.sequence,
  },
});

export const sessions: Projection = {
  name: "sessions",
  version: 3,
  doc: "Sessions between clients and servers.",
  tables: [
    {
      name: "sessions",
      doc: "One row per session.",
      key: ["session_id", "tenant"],
      clustered: true,
      columns: {
        session_id: { type: "name", doc: "Session." },
        tenant: { type: "name", doc: "Tenant." },
        started_at: { type: "integer", merge: "first", doc: "Epoch milliseconds." },
        ended_at: { type: "integer", merge: "replace", doc: "Epoch milliseconds." },
        client: { type: "name", doc: "Client." },
        client_version: { type: "name", doc: "Its version." },
        server: { type: "name", doc: "Server." },
        server_version: { type: "name", doc: "Its version." },
        protocol_version: { type: "name", doc: "Protocol version." },
        transport: { type: "name", doc: "Transport." },
        thread_id: { type: "name", doc: "Thread." },
        cwd: { type: "name", doc: "Working directory." },
        command: { type: "text", doc: "Command as a JSON array." },
        machine: { type: "name", doc: "Machine." },
        process_id: { type: "integer", doc: "Process." },
        lease_millis: { type: "integer", doc: "Silence after which it counts as ended." },
        reason: { type: "text", merge: "replace", doc: "Why it ended." },
        exit_code: { type: "integer", merge: "replace", doc: "Exit code." },
        signal: { type: "text", merge: "replace", doc: "Signal." },
        first_sequence: { type: "integer", merge: "min", doc: "Sequence of its first event." },
        last_sequence: { type: "integer", merge: "max", doc: "Sequence of its last event." },
      },
      // The second finds those that have begun and not ended, every few seconds.
      indexes: [["thread_id"], ["ended_at", "lease_millis"]],
    },
  ],
  views: [
    {
      name: "v_sessions",
      doc: "One row per session: a client and a server that talked to each other for a while.",
      columns: {
        session_id: "Id of the session.",
        tenant: "Tenant it belongs to.",
        thread_id: "Thread it wrote; null when not said.",
        started_at: "When it began, epoch milliseconds; null when that was not seen.",
        ended_at: "When it ended, epoch milliseconds; null while it has not, or when that was not seen.",
        client: "Client program; null when not said.",
        client_version: "Version of the client; null when not said.",
        server: "Server program; null when not said.",
        server_version: "Version of the server; null when not said.",
        protocol_version: "Version of the protocol they agreed on; null when not said.",
        transport: "Transport, such as stdio; null when not said.",
        cwd: "Working directory; null when not said.",
        command: "Command that was run, as a JSON array; null when none was.",
        machine: "Machine it runs on; null when not said.",
        process_id: "Process on that machine; null when not said.",
        lease_millis: "Silence after which it counts as ended, in milliseconds; null when silence says nothing.",
        reason: "Why it ended; null while it has not.",
        exit_code: "Exit code of the command; null when it has none.",
        signal: "Signal that ended the command; null when none did.",
        first_sequence: "Stream sequence of its first event.",
        last_sequence: "Stream sequence of its last event.",
      },
      select: `SELECT n.text, ${nameText("s.tenant")}, ${nameText("s.thread_id")}, s.started_at, s.ended_at, ${nameText("s.client")},
        ${nameText("s.client_version")}, ${nameText("s.server")}, ${nameText("s.server_version")}, ${nameText("s.protocol_version")},
        ${nameText("s.transport")}, ${nameText("s.cwd")}, s.command, ${nameText("s.machine")}, s.process_id,
        s.lease_millis, s.reason, s.exit_code, s.signal, s.first_sequence, s.last_sequence
        FROM sessions s LEFT JOIN names n ON n.name = s.session_id`,
    },
  ],
  facts: ["SessionSeen"],
  handle: (event, facts) => facts.flatMap((fact) => (fact._tag === "SessionSeen" ? [seen(event, fact)] : [])),
};
