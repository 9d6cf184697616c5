/**
 * Whole histories from the ledger in SQLite: every event as the log gave it, found by its index of histories.
 *
 * Room: query.
 *
 * From the tables and not through `v_events`: the view spells ids and names in SQL, which takes longer than finding the
 * rows, and its column for the history's id cannot be searched by an index. So a file whose ledger is of another
 * version than ours is not read. An event that the ledger itself refused is a dead letter; its history is given up to
 * there. Each row is held against its digest: one that was changed is not given on, and the log is read instead. Read in pages, because SQLite answers on this thread, and nothing else moves meanwhile.
 */
import type { Database } from "better-sqlite3";
import { Effect, Layer, Metric, Option, Stream } from "effect";
import { ledger } from "../../projections/ledger.ts";
import type { RecordedEvent } from "../domain/Event.ts";
import type { History, Sequence } from "../domain/History.ts";
import { Recent } from "../projection/write/NamesSqlite.ts";
import { type Reach, HistorySource, SourceUnavailable } from "../snapshot/HistorySource.ts";
import { isWhole } from "../projection/verify/Compare.ts";
import { makeReaders } from "./ConnectionSqlite.ts";

/** Rows and bytes of a page: one takes 1 to 5 ms, and an event may be a megabyte. */
const pageRows = 500;
const pageBytes = 2 * 1024 * 1024;
/** Types, sources and sessions recur in most rows; a name is some 50 bytes. */
const rememberedNames = 10_000;

interface Key {
  readonly tenant: number;
  readonly kind: number;
  readonly id: number;
}

type Row = readonly [
  sequence: number,
  eventId: string | Buffer,
  type: number,
  schemaVersion: number,
  source: number,
  actor: number | null,
  session: number | null,
  correlationId: string | Buffer | null,
  causationId: string | Buffer | null,
  traceparent: string | null,
  extensions: string | null,
  occurredAt: number,
  recordedAt: number,
  data: string | Buffer,
  headers: string | null,
  digest: Buffer | null,
];

const ofHistory = "FROM events WHERE history_id = :id AND tenant = :tenant AND kind = :kind";
const lastSql = `SELECT sequence, event_id, recorded_at ${ofHistory} AND sequence < :before ORDER BY sequence DESC LIMIT 1`;
const pageSql = `SELECT sequence, event_id, type, schema_version, source, actor, session, correlation_id, causation_id,
  traceparent, extensions, occurred_at, recorded_at, data, headers, digest
  ${ofHistory} AND sequence > :after AND sequence <= :upTo ORDER BY sequence LIMIT :limit`;
const placesSql = `SELECT sequence ${ofHistory} AND sequence > :after AND sequence <= :upTo ORDER BY sequence LIMIT :limit`;
const endSql = "SELECT stream_created, sequence FROM checkpoints WHERE projection = ?";
const refusedSql = `SELECT min(sequence) FROM dead_letters
  WHERE history_id = :id AND tenant = :tenant AND kind = :kind AND projection = '${ledger.name}'`;

/** An id in its usual spelling again. */
const spelled = (id: string | Buffer): string => {
  if (typeof id === "string") return id;
  const hex = id.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

const spelledMaybe = (id: string | Buffer | null) => (id === null ? undefined : spelled(id));

interface Page {
  readonly events: ReadonlyArray<RecordedEvent>;
  readonly changed: Sequence | undefined;
}

/** Rows that were read and did not match their digest. */
export const changedRows = Metric.counter("recollect_ledger_rows_changed", {
  description:
    "Rows of the ledger that were asked for and do not match their digest: they were read from the log instead.",
  incremental: true,
});

const rowChanged = (sequence: Sequence) =>
  Effect.logWarning(
    `The ledger's row of sequence ${sequence} was changed; its history is read from the log. Run: recollect rebuild`,
  ).pipe(
    Effect.andThen(Metric.update(changedRows, 1)),
    Effect.andThen(
      Effect.fail(
        new SourceUnavailable({ reason: `the ledger's row of sequence ${sequence} does not match its digest` }),
      ),
    ),
  );

/** One open database. Throws what SQLite throws. */
const openLedger = (db: Database) => {
  const version = db.prepare<[string], number>("SELECT version FROM checkpoints WHERE projection = ?").pluck();
  const made = version.get(ledger.name);
  if (made !== ledger.version) throw new Error(`its ledger is of version ${made}, not ${ledger.version}`);
  const nameText = db.prepare<[number], string>("SELECT text FROM names WHERE name = ?").pluck();
  const texts = new Recent<number, string>(rememberedNames);
  const nameOf = db.prepare<[string], number>("SELECT name FROM names WHERE text = ?").pluck();
  const last = db.prepare<[Key & { before: Sequence }], readonly [number, string | Buffer, number]>(lastSql).raw();
  const page = db.prepare<[Key & { after: Sequence; upTo: Sequence; limit: number }], Row>(pageSql).raw();
  const places = db.prepare<[Key & { after: Sequence; upTo: Sequence; limit: number }], number>(placesSql).pluck();
  const end = db.prepare<[string], readonly [number, number]>(endSql).raw();
  const refused = db.prepare<[Key], number | null>(refusedSql).pluck();

  const keyOf = ({ tenant, kind, id }: History): Key | undefined => {
    const numbers = [tenant, kind, id].map((text) => nameOf.get(text));
    const [tenantName, kindName, idName] = numbers;
    if (tenantName === undefined || kindName === undefined || idName === undefined) return undefined;
    return { tenant: tenantName, kind: kindName, id: idName };
  };
  const textOf = (name: number | null): string | undefined => {
    if (name === null) return undefined;
    const text = texts.get(name) ?? nameText.get(name);
    if (text !== undefined) texts.set(name, text);
    return text;
  };

  /** Undefined for a row whose content does not give the digest that was taken when it was recorded. */
  const eventOf = (row: Row, history: History): RecordedEvent | undefined => {
    const [sequence, id, type, schemaVersion, source, actor, session, correlationId, causationId] = row;
    const [, , , , , , , , , traceparent, extensions, occurredAt, recordedAt, data, headers, digest] = row;
    const event: RecordedEvent = {
      sequence,
      recordedAt,
      history,
      id: spelled(id),
      type: textOf(type) ?? "",
      source: textOf(source) ?? "",
      schemaVersion,
      occurredAt,
      actor: textOf(actor),
      session: textOf(session),
      correlationId: spelledMaybe(correlationId),
      causationId: spelledMaybe(causationId),
      traceparent: traceparent ?? undefined,
      ...(extensions === null ? {} : { extensions: JSON.parse(extensions) as Record<string, string> }),
      body: typeof data === "string" ? Buffer.from(data, "utf8") : data,
    };
    if (digest === null) return undefined;
    const wire = headers === null ? undefined : (JSON.parse(headers) as Record<string, string>);
    return isWhole({ ...event, digest, wire }) ? event : undefined;
  };

  return {
    reach: (history: History): Reach | undefined => {
      const key = keyOf(history);
      if (key === undefined) return undefined;
      const misfit = refused.get(key) ?? undefined;
      // Read first: events that are written meanwhile are not promised.
      const [created, upTo] = end.get(ledger.name) ?? [];
      const found = last.get({ ...key, before: misfit ?? Number.MAX_SAFE_INTEGER });
      if (found === undefined) return undefined;
      const [sequence, id, recordedAt] = found;
      const isAll = misfit === undefined && created !== undefined && upTo !== undefined;
      return { sequence, eventId: spelled(id), recordedAt, ...(isAll ? { of: { created, sequence: upTo } } : {}) };
    },
    places: (history: History, after: Sequence, upTo: Sequence, limit: number): ReadonlyArray<Sequence> => {
      const key = keyOf(history);
      return key === undefined ? [] : places.all({ ...key, after, upTo, limit });
    },
    /** Up to the first row that was changed: `changed` is its sequence. */
    page: (history: History, after: Sequence, upTo: Sequence): Page => {
      const key = keyOf(history);
      const events: Array<RecordedEvent> = [];
      if (key === undefined) return { events, changed: undefined };
      let bytes = 0;
      for (const row of page.iterate({ ...key, after, upTo, limit: pageRows })) {
        const event = eventOf(row, history);
        if (event === undefined) return { events, changed: row[0] };
        events.push(event);
        bytes += event.body.byteLength;
        if (bytes >= pageBytes) break;
      }
      return { events, changed: undefined };
    },
  };
};

type Ledger = ReturnType<typeof openLedger>;

export const make = Effect.fnUntraced(function* (options: { readonly path: string }) {
  const readers = yield* makeReaders(options.path);
  const ledgers = new WeakMap<Database, Ledger>();
  const ledgerOf = (db: Database): Ledger => {
    const known = ledgers.get(db) ?? openLedger(db);
    ledgers.set(db, known);
    return known;
  };
  const ask = <A>(question: (ledger: Ledger) => A) =>
    readers((db) => question(ledgerOf(db))).pipe(
      Effect.mapError(({ message }) => new SourceUnavailable({ reason: message })),
    );
  const self: HistorySource = {
    reach: (history) => ask((open) => open.reach(history)),
    places: ({ after, history, limit, upTo }) => ask((open) => open.places(history, after, upTo, limit)),
    read: ({ history, after, upTo }) =>
      Stream.paginate(after, (from) =>
        Effect.gen(function* () {
          const { changed, events } = yield* ask((open) => open.page(history, from, upTo));
          // The good rows before it are given on first: the next question begins with the row itself.
          if (changed !== undefined && events.length === 0) return yield* rowChanged(changed);
          const last = events.at(-1)?.sequence ?? upTo;
          return [events, last < upTo ? Option.some(last) : Option.none<Sequence>()] as const;
        }),
      ),
  };
  return self;
});

/** The ledger behind `path`. Without a database there every history comes from the log. */
export const layer = (options: { readonly path: string }) => Layer.effect(HistorySource, make(options));
