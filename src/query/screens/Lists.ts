/**
 * Long lists of a screen, newest first and page by page: calls, events, and what tasks are doing.
 *
 * Room: query.
 */
import { Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { Value } from "../Sql.ts";
import { Ask, type Values } from "./Ask.ts";

/** Before every sequence there is. */
const noEnd = Number.MAX_SAFE_INTEGER;

export interface CallChoice {
  readonly tool: string;
  readonly outcome?: string | undefined;
  readonly tenant?: string | undefined;
  readonly before?: Sequence | undefined;
  readonly limit: number;
}

export interface ListedCall {
  readonly threadId: string;
  readonly tenant: string;
  readonly callKey: string;
  readonly sequence: Sequence;
  readonly toolName: string;
  readonly server: string | null;
  readonly arguments: string | null;
  readonly outcome: string;
  readonly errorMessage: string | null;
  readonly durationMillis: number | null;
  readonly resultBytes: number | null;
  readonly startedAt: number | null;
}

const callsWhere = (place: string): string =>
  `SELECT thread_id, tenant, call_key, sequence, tool_name, server, substr(arguments, 1, 600) AS arguments, outcome,
     substr(error_message, 1, 300) AS error_message, duration_millis, result_bytes, started_at
   FROM v_tool_calls WHERE tool_name = :tool AND ${place} AND (:tenant IS NULL OR tenant = :tenant)
     AND (:outcome IS NULL OR outcome = :outcome)
   ORDER BY sequence DESC LIMIT :limit`;
const callsSql = callsWhere("sequence < :before");
const callsOfEventSql = callsWhere("sequence = :before");

/** Calls of a tool, the last told first. Several may stand in one event, so the last event of a page is there with all of its own. */
export const calls = Effect.fnUntraced(function* ({ before = noEnd, limit, outcome, tenant, tool }: CallChoice) {
  const { rows } = yield* Ask;
  const values: Values = { tool, before, limit, tenant: tenant ?? null, outcome: outcome ?? null };
  const page = yield* rows<ListedCall>(callsSql, values);
  const last = page.at(-1)?.sequence;
  if (last === undefined || page.length < limit) return page;
  const ofLast = yield* rows<ListedCall>(callsOfEventSql, { ...values, before: last, limit: -1 });
  return [...page.filter(({ sequence }) => sequence > last), ...ofLast];
});

export interface EventChoice {
  readonly actor?: string | undefined;
  readonly meaning?: string | undefined;
  readonly subject?: string | undefined;
  readonly kind?: string | undefined;
  readonly type?: string | undefined;
  readonly tenant?: string | undefined;
  /** Recorded; epoch milliseconds. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  readonly before?: Sequence | undefined;
  readonly limit: number;
}

export interface ListedEvent {
  readonly sequence: Sequence;
  readonly type: string | null;
  readonly tenant: string | null;
  readonly kind: string | null;
  readonly subject: string | null;
  readonly meaning: string | null;
  readonly source: string | null;
  readonly actor: string | null;
  readonly session: string | null;
  readonly occurredAt: number | null;
  readonly recordedAt: number | null;
  readonly dataBytes: number;
  readonly problem: string | null;
}

/** Most rows that one page looks at for ones that fit: a filter that fits nothing must end. */
const mostLookedAt = 200_000;

const eventColumns =
  "sequence, type, tenant, kind, subject, meaning, source, actor, session, occurred_at, recorded_at, data_bytes, problem";

/** The ledger backwards. A page without rows may have more behind it: `reached` is where it stopped looking. */
export const events = Effect.fnUntraced(function* (choice: EventChoice) {
  const { rows } = yield* Ask;
  const { actor, before = noEnd, kind, limit, meaning, since, subject, tenant, type, until } = choice;
  const [end] = yield* rows<{ readonly last: Sequence | null }>(
    "SELECT max(sequence) AS last FROM v_events WHERE sequence < :before",
    { before },
  );
  // Whole histories have an index, so these are looked at to their beginning.
  const from = subject === undefined ? Math.max(0, (end?.last ?? 0) - mostLookedAt) : 0;
  const given: Readonly<Record<string, readonly [sql: string, value: string | number | undefined]>> = {
    actor: ["actor = :actor", actor],
    kind: ["kind = :kind", kind],
    type: ["type = :type", type],
    tenant: ["tenant = :tenant", tenant],
    subject: ["subject = :subject", subject],
    meaning: ["(' ' || meaning || ' ') LIKE '% ' || :meaning || ' %'", meaning],
    since: ["recorded_at >= :since", since],
    until: ["recorded_at < :until", until],
  };
  const asked = Object.entries(given).flatMap(([name, [sql, value]]) =>
    value === undefined ? [] : [{ name, sql, value }],
  );
  const found = yield* rows<ListedEvent>(
    `SELECT ${eventColumns} FROM v_events WHERE ${["sequence < :before", "sequence > :from", ...asked.map(({ sql }) => sql)].join(" AND ")}
     ORDER BY sequence DESC LIMIT :limit`,
    { before, from, limit, ...Object.fromEntries(asked.map(({ name, value }) => [name, value])) },
  );
  return { events: found, reached: from };
});

/** Events of the ledger after a sequence, in order. */
export const eventsAfter = Effect.fnUntraced(function* (after: Sequence, limit: number, tenant: string | undefined) {
  const { rows } = yield* Ask;
  return yield* rows<ListedEvent>(
    `SELECT ${eventColumns} FROM v_events WHERE sequence > :after AND (:tenant IS NULL OR tenant = :tenant) ORDER BY sequence LIMIT :limit`,
    { after, limit, tenant: tenant ?? null },
  );
});

/** The last sequence of the ledger. */
export const lastSequence = Effect.gen(function* () {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly last: Sequence | null }>("SELECT max(sequence) AS last FROM v_events");
  return found?.last ?? 0;
});

export interface DeadLetter {
  readonly projection: string;
  readonly sequence: Sequence;
  readonly [column: string]: Value;
}

/** Events that a projection refused. */
export const deadLetters = Effect.gen(function* () {
  const { rows } = yield* Ask;
  return yield* rows<DeadLetter>("SELECT * FROM v_dead_letters ORDER BY sequence DESC LIMIT 200");
});

/** Views, columns, and what they mean. */
export const dictionary = Effect.gen(function* () {
  const { rows } = yield* Ask;
  return yield* rows<Readonly<Record<string, string | null>>>("SELECT * FROM v_dictionary");
});

/** Tasks by status, all of them: for the heads of a board. */
export const taskCounts = Effect.fnUntraced(function* (tenant: string | undefined) {
  const { rows } = yield* Ask;
  return yield* rows<{ readonly status: string; readonly tasks: number }>(
    `SELECT s.text AS status, count(*) AS tasks FROM tasks k JOIN names s ON s.name = k.status
     WHERE :tenant IS NULL OR k.tenant = (SELECT name FROM names WHERE text = :tenant) GROUP BY k.status`,
    { tenant: tenant ?? null },
  );
});
