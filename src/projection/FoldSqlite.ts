/**
 * The inner loop: a batch of log entries becomes rows, in one transaction.
 *
 * Room: projection. In: domain, Projection, RowsSqlite, CarriesSqlite. Out: ReadModelSqlite.
 *
 * Plain functions: an event costs tens of microseconds here, nearly all inside SQLite, whose calls are synchronous:
 * an Effect per row would add its own cost and no chance to do anything else meanwhile.
 *
 * Decision: the first attempt writes without savepoints, because nearly no batch holds a refused row. When one
 * does, the batch is rolled back and written again with a savepoint around each projection's rows of each event,
 * so that exactly the refused ones become dead letters.
 */
import Database from "better-sqlite3";
import { Result } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../domain/Event.ts";
import type { Fact } from "../domain/Fact.ts";
import type { History } from "../domain/History.ts";
import { factsOf } from "../domain/Interpret.ts";
import * as Carries from "./CarriesSqlite.ts";
import type { Names } from "./NamesSqlite.ts";
import type { Change, Projection } from "./Projection.ts";
import { type Applied, type Batch, type Checkpoint, identityOf, type Incoming } from "./ReadModel.ts";
import { readCheckpoint } from "./EngineSqlite.ts";
import { makeWriter, RowRefused } from "./RowsSqlite.ts";

/** In `dead_letters`: the event itself cannot be read, so that no projection but the ledger has it. */
export const everyProjection = "*";

/** Longest reason kept with a dead letter, in UTF-16 units: a schema's complaint can hold the whole body. */
const maxReason = 2000;

type Understood = { readonly facts: ReadonlyArray<Fact> } | { readonly reason: string };

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/**
 * Whose fault a failed write is: the row's (a dead letter), or the file's (retried). A statement that SQLite cannot
 * compile (`SQLITE_ERROR`) comes from a definition, so it is the projection's.
 */
const isRowsFault = (cause: unknown): boolean =>
  cause instanceof Database.SqliteError
    ? /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE|ERROR$)/.test(cause.code)
    : cause instanceof RowRefused || cause instanceof TypeError || cause instanceof RangeError;

const checkpointSql = `UPDATE checkpoints SET sequence = ?, identity = ?, recorded_at = ?, stream_created = ?, applied_at = ?`;
const deadLetterSql = `INSERT INTO dead_letters (sequence, projection, tenant, kind, history_id, reason, attempts, at)
  VALUES (?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE SET attempts = attempts + 1, reason = excluded.reason, at = excluded.at`;

interface Tools {
  readonly db: Database.Database;
  readonly projections: ReadonlyArray<Projection>;
  readonly names: Names;
  readonly carries: Carries.Carries;
  readonly write: (change: Change) => void;
  readonly park: (projection: string, entry: LogEntry, reason: string, now: number) => void;
}

const understand = ({ entry, whole, refusal }: Incoming, carries: Carries.Carries): Understood => {
  if (isMisfit(entry)) return { reason: entry.problem };
  if (refusal !== undefined) return { reason: refusal };
  try {
    const read = factsOf(whole ?? entry, carries.of(entry.history));
    if (Result.isFailure(read)) return { reason: read.failure.reason };
    if (read.success.carry !== undefined) carries.keep(entry.history, read.success.carry);
    return { facts: read.success.facts };
  } catch (cause) {
    if (cause instanceof Database.SqliteError) throw cause;
    return { reason: `its interpreter failed: ${sentence(cause)}` };
  }
};

/** What a projection says of one entry; a throw in it is its own dead letter. */
const changesOf = (projection: Projection, incoming: Incoming, understood: Understood): ReadonlyArray<Change> => {
  const recorded = projection.record?.(incoming.entry) ?? [];
  if (isMisfit(incoming.entry) || "reason" in understood) return recorded;
  const event: RecordedEvent = incoming.whole ?? incoming.entry;
  const handled = projection.handle(event, understood.facts);
  return recorded.length === 0 ? handled : [...recorded, ...handled];
};

/** Writes one projection's rows of one entry; `careful` keeps a refused row from spoiling the batch. */
const applyOne = (
  tools: Tools,
  options: {
    readonly projection: Projection;
    readonly incoming: Incoming;
    readonly understood: Understood;
    readonly careful: "careful" | "fast";
    readonly now: number;
  },
): void => {
  const { projection, incoming, careful } = options;
  const { db, names } = tools;
  let changes: ReadonlyArray<Change>;
  try {
    changes = changesOf(projection, incoming, options.understood);
  } catch (cause) {
    tools.park(projection.name, incoming.entry, `the projection failed: ${sentence(cause)}`, options.now);
    return;
  }
  if (careful === "fast") {
    for (const change of changes) tools.write(change);
    return;
  }
  db.exec("SAVEPOINT one");
  try {
    for (const change of changes) tools.write(change);
    db.exec("RELEASE one");
  } catch (cause) {
    if (!isRowsFault(cause)) throw cause;
    db.exec("ROLLBACK TO one; RELEASE one");
    names.forget();
    tools.park(projection.name, incoming.entry, `a row was refused: ${sentence(cause)}`, options.now);
  }
};

const applyAll = (tools: Tools, batch: Batch, fresh: ReadonlyArray<Incoming>, careful: "careful" | "fast"): void => {
  for (const incoming of fresh) {
    const understood = understand(incoming, tools.carries);
    if ("reason" in understood) tools.park(everyProjection, incoming.entry, understood.reason, batch.now);
    for (const projection of tools.projections) {
      applyOne(tools, { projection, incoming, understood, careful, now: batch.now });
    }
  }
  tools.carries.flush();
};

const makeTools = (options: {
  readonly db: Database.Database;
  readonly projections: ReadonlyArray<Projection>;
  readonly names: Names;
}): Tools => {
  const { db, projections, names } = options;
  const insert = db.prepare(deadLetterSql);
  const placeOf = (history: History | undefined) =>
    history === undefined
      ? [null, null, null]
      : [names.numberOf(history.tenant), names.numberOf(history.kind), names.numberOf(history.id)];
  return {
    ...options,
    carries: Carries.make({ db, names }),
    write: makeWriter({ db, projections, names }),
    park: (projection, entry, reason, now) => {
      const place = placeOf(isMisfit(entry) ? undefined : entry.history);
      insert.run(entry.sequence, projection, ...place, reason.slice(0, maxReason), now);
    },
  };
};

/** The function that folds batches into a database, and remembers names and carries between them. */
export const makeFold = (options: {
  readonly db: Database.Database;
  readonly projections: ReadonlyArray<Projection>;
  readonly names: Names;
}): ((given: { readonly batch: Batch; readonly isCurrent: () => boolean }) => Applied) => {
  const { db, names } = options;
  const tools = makeTools(options);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const readSequence = db.prepare<[], number>("SELECT min(sequence) FROM checkpoints").pluck();
  const writeCheckpoint = db.prepare(checkpointSql);

  const rollback = () => {
    // A full disk makes SQLite roll back by itself.
    if (db.inTransaction) db.exec("ROLLBACK");
    names.forget();
    tools.carries.forget();
  };

  const run = (batch: Batch, isCurrent: () => boolean, careful: "careful" | "fast"): Applied => {
    begin.run();
    // Asked under the write lock: a rebuild swaps files only while it holds the same lock.
    if (!isCurrent()) {
      rollback();
      return { _tag: "Superseded" };
    }
    const reached = readSequence.get() ?? 0;
    const fresh = batch.incoming.filter(({ entry }) => entry.sequence > reached);
    const gap = fresh.find(({ entry }, index) => entry.sequence !== reached + 1 + index);
    if (gap !== undefined) {
      rollback();
      return { _tag: "Missing", sequence: reached + 1 + fresh.indexOf(gap) };
    }
    const last = fresh.at(-1)?.entry;
    if (last === undefined) {
      rollback();
      return { _tag: "Committed", checkpoint: readCheckpoint(db) };
    }
    applyAll(tools, batch, fresh, careful);
    const checkpoint: Checkpoint = {
      sequence: last.sequence,
      identity: identityOf(last),
      recordedAt: last.recordedAt,
      streamCreated: batch.streamCreated,
    };
    writeCheckpoint.run(last.sequence, checkpoint.identity, last.recordedAt, batch.streamCreated, batch.now);
    commit.run();
    return { _tag: "Committed", checkpoint };
  };

  const attempt = (batch: Batch, isCurrent: () => boolean, careful: "careful" | "fast"): Applied => {
    try {
      return run(batch, isCurrent, careful);
    } catch (cause) {
      rollback();
      if (careful === "fast" && isRowsFault(cause)) return attempt(batch, isCurrent, "careful");
      throw cause;
    }
  };

  return ({ batch, isCurrent }) => attempt(batch, isCurrent, "fast");
};
