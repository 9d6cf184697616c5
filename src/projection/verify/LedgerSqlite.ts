/**
 * Reading the ledger back: log entries as they were recorded, through the public view `v_events`.
 *
 * Room: projection.
 *
 * Through the view, because its columns are a contract, while the tables behind it belong to a projection's version.
 */
import type { Database } from "better-sqlite3";
import type { LogEntry, RecordedEvent } from "../../domain/Event.ts";
import { HistoryKind, type Sequence } from "../../domain/History.ts";
import type { SequenceRange } from "../../domain/StoreEvents.ts";
import type { Mark } from "../Chain.ts";
import type { Checkpoint } from "../Checkpoint.ts";
import { readAnyCheckpoint } from "../EngineSqlite.ts";
import { identityOf } from "../ReadModel.ts";
import { isWhole } from "./Compare.ts";

interface Row {
  readonly sequence: number;
  readonly event_id: string | null;
  readonly type: string | null;
  readonly schema_version: number | null;
  readonly tenant: string | null;
  readonly kind: string | null;
  readonly subject: string | null;
  readonly source: string | null;
  readonly actor: string | null;
  readonly session: string | null;
  readonly correlation_id: string | null;
  readonly causation_id: string | null;
  readonly traceparent: string | null;
  readonly extensions: string | null;
  readonly occurred_at: number | null;
  readonly recorded_at: number | null;
  readonly data: string | Uint8Array | null;
  readonly problem: string | null;
  /** Absent in a ledger before version 2. */
  readonly digest?: string | null;
  readonly wire_headers?: string | null;
}

const textMap = (json: string | null): Readonly<Record<string, string>> | undefined =>
  json === null ? undefined : (JSON.parse(json) as Record<string, string>);

const bytesOf = (data: string | Uint8Array | null): Uint8Array =>
  data === null ? new Uint8Array() : typeof data === "string" ? Buffer.from(data, "utf8") : data;

const entryOf = (row: Row): LogEntry => {
  const { sequence } = row;
  const recordedAt = row.recorded_at ?? 0;
  const body = bytesOf(row.data);
  const digest = row.digest == null ? {} : { digest: Buffer.from(row.digest, "hex") };
  const kind = HistoryKind.literals.find((literal) => literal === row.kind);
  if (row.problem !== null || kind === undefined) {
    const problem = row.problem ?? `the ledger names an unknown kind of history: ${row.kind}`;
    const headers = textMap(row.extensions) ?? {};
    return { sequence, recordedAt, subject: row.subject ?? "", problem, headers, body, ...digest };
  }
  const extensions = textMap(row.extensions);
  const event: RecordedEvent = {
    sequence,
    recordedAt,
    history: { tenant: row.tenant ?? "", kind, id: row.subject ?? "" },
    id: row.event_id ?? "",
    type: row.type ?? "",
    source: row.source ?? "",
    schemaVersion: row.schema_version ?? 1,
    occurredAt: row.occurred_at ?? 0,
    actor: row.actor ?? undefined,
    session: row.session ?? undefined,
    correlationId: row.correlation_id ?? undefined,
    causationId: row.causation_id ?? undefined,
    traceparent: row.traceparent ?? undefined,
    ...(extensions === undefined ? {} : { extensions }),
    ...(row.wire_headers == null ? {} : { wire: textMap(row.wire_headers) }),
    body,
    ...digest,
  };
  return event;
};

export interface Ledger {
  readonly at: (sequence: Sequence) => LogEntry | undefined;
  /** In order, both ends included. */
  readonly between: (from: Sequence, to: Sequence) => ReadonlyArray<LogEntry>;
  /** The first and last sequence held, and how many; zeros for an empty ledger. */
  readonly reach: () => { readonly first: Sequence; readonly last: Sequence; readonly rows: number };
  /** The running hashes that were kept, in order; none in a database from before they were. */
  readonly marks: () => ReadonlyArray<Mark>;
  readonly checkpoint: () => Checkpoint;
  /** Sequences whose loss was accepted. */
  readonly accepted: () => ReadonlyArray<SequenceRange>;
}

/**
 * The last sequence by the ledger's checkpoint; undefined when its own row does not prove that one. Rows and checkpoint
 * are one transaction, so a row behind it is none that a projector wrote. Throws what SQLite throws.
 */
export const endOf = (ledger: Ledger): Sequence | undefined => {
  const { identity, sequence } = ledger.checkpoint();
  const row = sequence === 0 ? undefined : ledger.at(sequence);
  return row !== undefined && identityOf(row) === identity && isWhole(row) ? sequence : undefined;
};

/** Columns of an event itself in a ledger from version 4 on. */
const storedColumns = `sequence, event_id, type, schema_version, tenant, kind, coalesce(subject, misfit_subject) AS subject, source,
  stored_actor AS actor, stored_session AS session, stored_correlation_id AS correlation_id, causation_id, traceparent, extensions,
  occurred_at, recorded_at, data, problem, digest, wire_headers`;

/** By the schema's text, because `pragma_table_info` would begin reading every attached file. */
const hasStoredColumns = (db: Database): boolean =>
  db.prepare("SELECT 1 FROM main.sqlite_schema WHERE name = 'v_events' AND sql LIKE '%stored_actor%'").get() !==
  undefined;

/** None where the view is gone: that is a fault of its own. */
const acceptedIn = (db: Database): ReadonlyArray<SequenceRange> => {
  try {
    return db
      .prepare<[], string>("SELECT ranges FROM v_store_events WHERE type = 'recollect.loss_accepted'")
      .pluck()
      .all()
      .flatMap((ranges) => JSON.parse(ranges) as ReadonlyArray<SequenceRange>);
  } catch {
    return [];
  }
};

/** The ledger of an open database. Throws what SQLite throws; a database without `v_events` is one without a ledger. */
export const ledgerOf = (db: Database): Ledger => {
  const range = db.prepare<[number, number], Row>(
    `SELECT ${hasStoredColumns(db) ? storedColumns : "*"} FROM v_events WHERE sequence BETWEEN ? AND ? ORDER BY sequence`,
  );
  const reach = db.prepare<[], { readonly first: number; readonly last: number; readonly rows: number }>(
    "SELECT coalesce(min(sequence), 0) AS first, coalesce(max(sequence), 0) AS last, count(*) AS rows FROM v_events",
  );
  const between = (from: Sequence, to: Sequence) => range.all(from, to).map(entryOf);
  const hasMarks = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'chains'").get() !== undefined;
  return {
    marks: () => (hasMarks ? db.prepare<[], Mark>("SELECT sequence, chain FROM chains ORDER BY sequence").all() : []),
    checkpoint: () => readAnyCheckpoint(db),
    accepted: () => acceptedIn(db),
    between,
    at: (sequence) => between(sequence, sequence)[0],
    reach: () => reach.get() ?? { first: 0, last: 0, rows: 0 },
  };
};
