/**
 * The spool as a person sees it: what waits for which log and since when, what was set aside and why, what was forked;
 * and what a person may do about it.
 *
 * Room: spool.
 *
 * Over all targets of one file. A file that is not there is an empty spool, and is not made by looking.
 */
import { Effect } from "effect";
import type { History, HistoryKind } from "../domain/History.ts";
import type { SpooledCommand, SpoolUnavailable } from "./Spool.ts";
import { historyText, SpoolFile } from "./SpoolFileSqlite.ts";
import * as Numbers from "./SpoolNumbersSqlite.ts";
import * as Rows from "./SpoolRowsSqlite.ts";
import { trouble } from "./SpoolTroubleSqlite.ts";

export interface Target {
  readonly target: string;
  readonly waiting: number;
  readonly setAside: number;
  readonly forks: number;
  /** Time of acceptance of the oldest that waits, epoch milliseconds. */
  readonly oldestAt: number | null;
}

/** Owner of a command. All null for a row that cannot be read. */
interface Whose {
  readonly tenant: string | null;
  readonly kind: HistoryKind | null;
  readonly id: string | null;
}

export interface Waiting extends Whose {
  readonly target: string;
  readonly commands: number;
  readonly oldestAt: number;
  readonly newestAt: number;
}

export interface SetAside extends Whose {
  /** Command as `retry` and `discard` are given it. */
  readonly number: number;
  readonly target: string;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly acceptedAt: number;
  readonly reason: string;
  /** The row is not what was accepted: it was never delivered, and must be looked at. */
  readonly isDamaged: boolean;
}

/** A command that was accepted and is not on the disk any more; what is known of it beside its number may be nothing. */
export interface Lost extends Whose {
  /** Command as `discard` is given it, once a person has looked at it. */
  readonly number: number;
  readonly target: string | null;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly acceptedAt: number | null;
}

export interface Fork extends Whose {
  readonly number: number;
  readonly target: string;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly at: number;
  readonly intoThread: string;
  readonly reason: string;
}

export interface Survey {
  /** All of them. */
  readonly targets: ReadonlyArray<Target>;
  /** Histories for which something waits, the longest waiting first; at most as many as asked for, as both other lists. */
  readonly histories: ReadonlyArray<Waiting>;
  readonly setAside: ReadonlyArray<SetAside>;
  /** Number of lost commands, and of damaged ones among those set aside. */
  readonly missing: number;
  readonly damaged: number;
  readonly lost: ReadonlyArray<Lost>;
  /** The newest first. */
  readonly forks: ReadonlyArray<Fork>;
  /** Longest wait that is not overdue, milliseconds. */
  readonly overdueMillis: number;
}

const targetsSql = `SELECT target, sum(waiting) AS waiting, sum(setAside) AS setAside, sum(forks) AS forks,
    min(oldestAt) AS oldestAt
  FROM (
    SELECT target, set_aside IS NULL AS waiting, set_aside IS NOT NULL AS setAside, 0 AS forks,
      iif(set_aside IS NULL, accepted_at, NULL) AS oldestAt FROM commands
    UNION ALL SELECT target, 0, 0, 1, NULL FROM forks
  ) GROUP BY target ORDER BY target`;

const eventSql = `iif(json_valid(body), json_extract(body, '$.event.id'), NULL) AS eventId,
  iif(json_valid(body), json_extract(body, '$.event.type'), NULL) AS type`;

const whoseOf = (history: string | null): Whose => {
  const [tenant, kind, id] = history === null ? [null, null, null] : JSON.parse(history);
  return { tenant, kind, id };
};

interface Rows {
  readonly history: string | null;
}

/** Rows as they are given out: the history's text becomes its parts. */
const spelt = <A>(rows: ReadonlyArray<unknown>): ReadonlyArray<A> =>
  (rows as ReadonlyArray<Rows>).map(({ history, ...row }) => ({ ...row, ...whoseOf(history) }) as A);

const asLost = ({ acceptedAt, eventId, history, number, target, type }: Numbers.Lost): Lost => ({
  number,
  target,
  ...whoseOf(history),
  eventId,
  type,
  acceptedAt,
});

const damagedSql = "SELECT count(*) FROM commands WHERE set_aside GLOB ?";

const surveyFile = (spool: SpoolFile, limit: number): Survey => {
  const database = spool.existing()?.database;
  const { overdueMillis } = spool.bounds;
  const missing = Numbers.lostOf(spool.list, database);
  const lost = missing.slice(0, limit).map(asLost);
  const none = { targets: [], histories: [], setAside: [], forks: [], damaged: 0 };
  if (database === undefined) return { ...none, missing: missing.length, lost, overdueMillis };
  const all = (sql: string) => database.prepare(`${sql} LIMIT ?`).all(limit);
  return {
    targets: database.prepare<[], Target>(targetsSql).all(),
    histories: spelt(
      all(`SELECT target, history, count(*) AS commands, min(accepted_at) AS oldestAt, max(accepted_at) AS newestAt
        FROM commands WHERE set_aside IS NULL GROUP BY target, history ORDER BY min(position)`),
    ),
    setAside: spelt<Omit<SetAside, "isDamaged">>(
      all(`SELECT position AS number, target, history, ${eventSql}, accepted_at AS acceptedAt, set_aside AS reason
        FROM commands WHERE set_aside IS NOT NULL ORDER BY position`),
    ).map((one) => ({ ...one, isDamaged: Rows.isDamaged(one.reason) })),
    missing: missing.length,
    damaged: database.prepare<[string], number>(damagedSql).pluck().get(`${Rows.damaged}*`) ?? 0,
    lost,
    forks: spelt(
      all(`SELECT position AS number, target, history, ${eventSql}, at, into_thread AS intoThread, reason
        FROM forks ORDER BY position DESC`),
    ),
    overdueMillis,
  };
};

/** Selection among those that were set aside: by their numbers, or all. */
export type Which = "all" | ReadonlyArray<number>;

interface Row {
  readonly number: number;
  readonly target: string;
  readonly acceptedAt: number;
  readonly reason: string;
  readonly body: string;
}

const chosen = (spool: SpoolFile, which: Which): ReadonlyArray<Row> => {
  const rows = spool
    .existing()
    ?.database.prepare<[], Row>(
      `SELECT position AS number, target, accepted_at AS acceptedAt, set_aside AS reason, body
       FROM commands WHERE set_aside IS NOT NULL ORDER BY position`,
    )
    .all();
  return (rows ?? []).filter(({ number }) => which === "all" || which.includes(number));
};

const eachOf = (spool: SpoolFile, rows: ReadonlyArray<Row>, sql: string): void => {
  if (rows.length === 0) return;
  const { database } = spool.open();
  const statement = database.prepare(sql);
  database.transaction(() => rows.forEach(({ number }) => statement.run(number))).immediate();
};

const lostRows = (spool: SpoolFile, which: Which): ReadonlyArray<Numbers.Lost> =>
  Numbers.lostOf(spool.list, spool.existing()?.database).filter(
    ({ number }) => which === "all" || which.includes(number),
  );

const retryRows = (spool: SpoolFile, which: Which): ReadonlyArray<number> => {
  const rows = chosen(spool, which);
  eachOf(spool, rows, "UPDATE commands SET set_aside = NULL, insisted = 1 WHERE position = ?");
  // Says to those who deliver that there is something again.
  if (rows.length > 0) spool.list.settle([]);
  return rows.map(({ number }) => number);
};

/** A command that was given up, with all that was known of it. */
export interface Discarded {
  readonly number: number;
  readonly target: string | null;
  readonly acceptedAt: number | null;
  readonly reason: string;
  /** History and event as they lay there; the text itself when it is no JSON. */
  readonly command: unknown;
  /** Large parts that the event refers to; absent where there are none. */
  readonly blobs?: ReadonlyArray<{ readonly sha256: string; readonly base64: string }>;
}

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    return body;
  }
};

const blobsOf = (spool: SpoolFile, number: number): Pick<Discarded, "blobs"> => {
  const rows = spool.existing()?.statements.rows.blobsOf.all(number) ?? [];
  const blobs = rows.map(({ bytes, sha256 }) => ({ sha256, base64: bytes.toString("base64") }));
  return blobs.length === 0 ? {} : { blobs };
};

const waitingRows = (
  spool: SpoolFile,
  targets: ReadonlyArray<string>,
  history: History,
): ReadonlyArray<SpooledCommand> => {
  const open = spool.existing();
  if (open === undefined) return [];
  const rows = open.database.prepare<[string, string], Rows.Row>(
    `SELECT ${Rows.columns} FROM commands
     WHERE history = ? AND set_aside IS NULL AND target IN (SELECT value FROM json_each(?)) ORDER BY position`,
  );
  return rows.all(historyText(history), JSON.stringify(targets)).flatMap((row) => {
    const plain = Rows.commandOf(row, open.statements.rows, spool.known);
    return "reason" in plain ? [] : [{ ...plain, blobs: [] }];
  });
};

/** Opens the file for one use. */
const using = <A>(file: string, use: (spool: SpoolFile) => A): Effect.Effect<A, SpoolUnavailable> =>
  Effect.acquireUseRelease(
    Effect.sync(() => new SpoolFile({ file, target: "" })),
    (spool) => Effect.try({ try: () => use(spool), catch: (cause) => trouble(file, cause) }),
    (spool) => Effect.sync(() => spool.close()),
  );

/** Survey of the file; of each list at most `limit`. */
export const survey = (options: { readonly file: string; readonly limit: number }) =>
  using(options.file, (spool) => surveyFile(spool, options.limit));

/** Commands that wait for one history, in order, meant for any of these targets. */
export const waitingFor = (options: {
  readonly file: string;
  readonly targets: ReadonlyArray<string>;
  readonly history: History;
}) => using(options.file, (spool) => waitingRows(spool, options.targets, options.history));

/** Puts set-aside commands back to wait at their old places; delivered even if late. Returns the numbers. */
export const retry = (options: { readonly file: string; readonly which: Which }) =>
  using(options.file, (spool) => retryRows(spool, options.which));

const lostReason = "lost: it was accepted, and is not on this disk any more";

/** Commands that were set aside, and what is known of lost ones: to be shown before `discard`. */
export const show = (options: { readonly file: string; readonly which: Which }) =>
  using(options.file, (spool): ReadonlyArray<Discarded> => [
    ...chosen(spool, options.which).map(({ body, ...row }) => ({
      ...row,
      command: parsed(body),
      ...blobsOf(spool, row.number),
    })),
    ...lostRows(spool, options.which).map(({ acceptedAt, number, target, ...command }) => ({
      number,
      target,
      acceptedAt,
      reason: lostReason,
      command,
    })),
  ]);

/** Discards set-aside commands for good, and forgets lost ones. Returns the numbers. */
export const discard = (options: { readonly file: string; readonly which: Which }) =>
  using(options.file, (spool) => {
    const rows = chosen(spool, options.which);
    const numbers = [...rows, ...lostRows(spool, options.which)].map(({ number }) => number);
    if (numbers.length > 0) spool.list.settle(numbers);
    eachOf(spool, rows, "DELETE FROM commands WHERE position = ? AND set_aside IS NOT NULL");
    return numbers;
  });

/** Accepted commands that are missing, for the drain. */
export const lost = (file: string) =>
  using(file, (spool) => Numbers.lostOf(spool.list, spool.existing()?.database).map(asLost));
