/**
 * Files that threads have read, and in which version.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { FileWasRead } from "../src/domain/Fact.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const named = (event: RecordedEvent, fact: FileWasRead): Change => ({
  table: "file_names",
  row: { thread_id: event.history.id, tenant: event.history.tenant, path: fact.path, sequence: event.sequence },
});

const read = (event: RecordedEvent, fact: FileWasRead): Change => ({
  table: "files_read",
  row: {
    sequence: event.sequence,
    thread_id: event.history.id,
    tenant: event.history.tenant,
    path: fact.path,
    sha256: fact.sha256,
    bytes: fact.bytes,
    is_shown: fact.shown == null ? 0 : 1,
    modified_at: fact.modifiedAt,
    machine: fact.machine,
    from_line: fact.fromLine,
    to_line: fact.toLine,
    call_id: fact.callId,
    message_id: fact.messageId,
    read_at: event.occurredAt,
  },
});

export const filesRead: Projection = {
  name: "files_read",
  version: 5,
  doc: "Files that threads have read.",
  tables: [
    {
      name: "files_read",
      doc: "One row per file that was read.",
      key: ["sequence"],
      columns: {
        sequence: { type: "integer", doc: "Sequence of the event." },
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        path: { type: "name", doc: "Path." },
        sha256: { type: "name", doc: "SHA-256 of the content." },
        bytes: { type: "integer", doc: "Size of the content." },
        is_shown: { type: "integer", doc: "1 when hash and size are of what a transcript shows, else 0." },
        modified_at: { type: "real", doc: "Time of the file, epoch milliseconds." },
        machine: { type: "name", doc: "Machine." },
        from_line: { type: "integer", doc: "First line that was given." },
        to_line: { type: "integer", doc: "Last line that was given." },
        call_id: { type: "text", doc: "Tool call." },
        message_id: { type: "id", doc: "Message." },
        read_at: { type: "integer", doc: "Epoch milliseconds." },
      },
      indexes: [
        ["thread_id", "tenant", "sequence"],
        ["thread_id", "tenant", "path", "sequence"],
        ["path", "sequence"],
        ["sha256"],
      ],
    },
    {
      name: "file_names",
      doc: "One row per file that a thread has read, for search.",
      key: ["thread_id", "tenant", "path"],
      rows: "first",
      columns: {
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        path: { type: "text", doc: "Path." },
        sequence: { type: "integer", doc: "Sequence of the event that read it first." },
      },
      fullText: { of: (row) => indexedText(`${row}.path`), when: (row) => `(${row}.path IS NOT NULL)` },
    },
  ],
  views: [
    {
      name: "v_files_read",
      doc: "One row per file that a thread has read, with the version it saw.",
      columns: {
        thread_id: "Thread that read it.",
        tenant: "Tenant the thread belongs to.",
        path: "Path of the file, as its reader names it.",
        sha256:
          "SHA-256 of the whole content in lower-case hexadecimal, under which it lies in the object store; where is_shown is 1, of what was shown.",
        content_bytes: "Size of the same in bytes.",
        is_shown:
          "1 when an imported transcript tells of it: what it shows is known (the lines from_line to to_line, or all), and not the file; else 0.",
        is_changed:
          "1 when it is another version than the one that the thread had read before (where is_shown is 1, of the same lines), else 0.",
        modified_at: "When the file had been changed, epoch milliseconds by its file system; null when not said.",
        machine: "Machine it was read on; null when not said.",
        from_line: "First line that the model was given, from 1; null for the whole file.",
        to_line: "Last line that the model was given; null for the whole file.",
        tool_call_id: "Tool call that read it, as v_tool_calls.tool_call_id; null when not said.",
        message_id: "Message that it was read for; null when not said.",
        read_at: "When it was read, epoch milliseconds.",
        sequence: "Stream sequence of the event.",
      },
      select: `SELECT t.text, ${nameText("f.tenant")}, ${nameText("f.path")}, ${nameText("f.sha256")}, f.bytes, f.is_shown,
        coalesce(f.sha256 <> (SELECT p.sha256 FROM files_read p WHERE p.thread_id = f.thread_id AND p.tenant = f.tenant
          AND p.path = f.path AND p.sequence < f.sequence AND p.is_shown = f.is_shown
          AND (f.is_shown = 0 OR (p.from_line IS f.from_line AND p.to_line IS f.to_line)) ORDER BY p.sequence DESC LIMIT 1), 0),
        round(f.modified_at), ${nameText("f.machine")}, f.from_line, f.to_line, f.call_id, ${idText("f.message_id")}, f.read_at,
        f.sequence FROM files_read f LEFT JOIN names t ON t.name = f.thread_id`,
    },
    {
      name: "v_file_versions",
      doc: "One row per version of a path that any thread has read whole; what transcripts show is no version.",
      columns: {
        tenant: "Tenant it belongs to.",
        path: "Path of the file.",
        sha256: "SHA-256 of the content in lower-case hexadecimal.",
        content_bytes: "Size of the content in bytes.",
        reads: "How often it was read.",
        threads: "Threads that read it.",
        first_read_at: "When it was read first, epoch milliseconds.",
        last_read_at: "When it was read last, epoch milliseconds.",
      },
      select: `SELECT ${nameText("f.tenant")}, ${nameText("f.path")}, ${nameText("f.sha256")}, max(f.bytes), count(*),
        count(DISTINCT f.thread_id), min(f.read_at), max(f.read_at) FROM files_read f WHERE f.is_shown = 0
        GROUP BY f.tenant, f.path, f.sha256`,
    },
  ],
  facts: ["FileWasRead"],
  handle: (event, facts) =>
    facts.flatMap((fact) => (fact._tag === "FileWasRead" ? [named(event, fact), read(event, fact)] : [])),
};
