/**
 * The ledger as CloudEvents 1.0 in JSON, one event a line: for any program that reads them.
 *
 * Room: edge.
 *
 * Structured mode of what the stream holds in binary mode, with the same names: `id`, `type`, `source`, `time`, `subject`,
 * `schemaversion`, `actor` …; beside them `tenant`, `kind`, `sequence` and `recordedtime`. The data is the body as it is
 * stored, to the byte but for white space between lines; a body that is no JSON is a string, one that is no text is
 * `data_base64`. Bytes in the object store stay there: their reference is in the data.
 */
import { Effect, Stream } from "effect";
import { Query } from "../../query/Query.ts";
import type { SqlOptions, Value } from "../../query/Sql.ts";

export interface CloudEventOptions {
  readonly tenant: string;
  /** Only what comes behind this sequence. */
  readonly after: number;
  /** Only this thread. */
  readonly thread?: string | undefined;
}

const columns = [
  "event_id",
  "type",
  "source",
  "subject",
  "schema_version",
  "occurred_at",
  "recorded_at",
  "tenant",
  "kind",
  "sequence",
  "stored_actor",
  "stored_session",
  "stored_correlation_id",
  "causation_id",
  "traceparent",
  "extensions",
  "data",
] as const;

const statement = (options: CloudEventOptions): string =>
  `SELECT ${columns.join(", ")} FROM v_events WHERE tenant = :tenant AND sequence > :after AND problem IS NULL
   ${options.thread === undefined ? "" : "AND kind = 'thread' AND subject = :thread"} ORDER BY sequence`;

/** A ledger of any length takes as long as it takes. */
const limits: SqlOptions = { timeoutMillis: 24 * 3_600_000, memoryBytes: 1024 * 1024 * 1024 };

const timeOf = (value: Value | undefined): string | undefined =>
  typeof value === "number" ? new Date(value).toISOString() : undefined;

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

/** Raw line feeds stand between values only: inside of a string JSON writes them as `\\n`. */
const dataMember = (data: Value | undefined): string => {
  if (data === null || data === undefined) return "";
  if (data instanceof Uint8Array) return `,"data_base64":"${Buffer.from(data).toString("base64")}"`;
  const text = String(data);
  return isJson(text) ? `,"data":${text.replaceAll(/[\r\n]+/g, " ")}` : `,"data":${JSON.stringify(text)}`;
};

const extensionsOf = (text: Value | undefined): object => {
  const found: unknown = typeof text === "string" && isJson(text) ? JSON.parse(text) : {};
  return typeof found === "object" && found !== null ? found : {};
};

/** One event as a line. */
export const cloudEventLine = (row: ReadonlyArray<Value>): string => {
  const cell = (name: (typeof columns)[number]): Value | undefined => row[columns.indexOf(name)] ?? undefined;
  const data = cell("data");
  const attributes = {
    specversion: "1.0",
    id: cell("event_id"),
    type: cell("type"),
    source: cell("source"),
    subject: cell("subject"),
    time: timeOf(cell("occurred_at")),
    ...(typeof data === "string" && isJson(data) ? { datacontenttype: "application/json" } : {}),
    schemaversion: cell("schema_version"),
    actor: cell("stored_actor"),
    session: cell("stored_session"),
    correlationid: cell("stored_correlation_id"),
    causationid: cell("causation_id"),
    traceparent: cell("traceparent"),
    tenant: cell("tenant"),
    kind: cell("kind"),
    sequence: String(cell("sequence")),
    recordedtime: timeOf(cell("recorded_at")),
    ...extensionsOf(cell("extensions")),
  };
  return `${JSON.stringify(attributes).slice(0, -1)}${dataMember(data)}}`;
};

/** Lines with their ends, some hundred a piece. */
export const cloudEvents = (options: CloudEventOptions) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const query = yield* Query;
      const { tenant, after, thread } = options;
      const values = { tenant, after, ...(thread === undefined ? {} : { thread }) };
      const { rows } = yield* query.sql(statement(options), values, limits);
      return Stream.mapArray(rows, (batch) => [batch.map((row) => `${cloudEventLine(row)}\n`).join("")]);
    }),
  );
