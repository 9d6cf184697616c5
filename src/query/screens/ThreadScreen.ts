/**
 * Questions of the screen of one thread beside its messages: starts of its pages, its turns, its calls without what they
 * answered, its sub-agents and forks, and single entries.
 *
 * Room: query.
 */
import { Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { ToolCallRow } from "../Query.ts";
import { number } from "../ThreadConditionsSqlite.ts";
import { Ask } from "./Ask.ts";

/** Needs of every question here. */
export type Asks = Ask;

/** One thread of one tenant. */
export interface ThreadKey {
  readonly threadId: string;
  readonly tenant: string;
}

const own = (alias: string): string =>
  `${alias}.thread_id = ${number(":threadId")} AND ${alias}.tenant = ${number(":tenant")}`;

const valuesOf = ({ tenant, threadId }: ThreadKey) => ({ threadId, tenant });

/** The sequence of the nth message before `before`; 0 when there are fewer. By the index, whatever the thread's length. */
export const pageBefore = Effect.fnUntraced(function* (key: ThreadKey, before: Sequence, most: number) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly sequence: Sequence }>(
    `SELECT m.sequence FROM messages m WHERE ${own("m")} AND m.sequence < :before
     ORDER BY m.sequence DESC LIMIT 1 OFFSET :skip`,
    { ...valuesOf(key), before, skip: most - 1 },
  );
  return found?.sequence ?? 0;
});

/** The sequence of the first message behind `after`, up to `end`; undefined when there is none. */
export const nextAfter = Effect.fnUntraced(function* (key: ThreadKey, after: Sequence, end: Sequence) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly sequence: Sequence | null }>(
    `SELECT min(m.sequence) AS sequence FROM messages m WHERE ${own("m")} AND m.sequence > :after AND m.sequence <= :end`,
    { ...valuesOf(key), after, end },
  );
  return found?.sequence ?? undefined;
});

/** A call, without what it was given and answered beyond their beginnings. */
export type CallHead = Omit<ToolCallRow, "threadId" | "result">;

const callColumns = `tool_call_id, call_key, message_id, tool_name, server, substr(arguments, 1, :most) AS arguments, arguments_bytes,
  outcome, error_type, substr(error_message, 1, 300) AS error_message, result_bytes, started_at, ended_at, duration_millis,
  sequence, result_sequence`;

/** Most calls of one answer. */
export const mostCalls = 5_000;

/** Calls behind `after` up to `end`, in order; at most `mostCalls`. */
export const calls = Effect.fnUntraced(function* (key: ThreadKey, after: Sequence, end: Sequence) {
  const { rows } = yield* Ask;
  return yield* rows<CallHead>(
    `SELECT ${callColumns} FROM v_tool_calls
     WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :end ORDER BY sequence LIMIT ${mostCalls}`,
    { ...valuesOf(key), after, end, most: 1200 },
  );
});

/** Place of the call behind so many others, from `from` on or back from it; undefined where there are fewer. By the index. */
export const callBeyond = Effect.fnUntraced(function* (
  key: ThreadKey,
  { after, before, most = mostCalls }: { readonly after: Sequence; readonly before?: Sequence; readonly most?: number },
) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly sequence: Sequence }>(
    `SELECT c.sequence FROM tool_calls c WHERE ${own("c")} AND c.sequence > :after AND c.sequence < :before
     ORDER BY c.sequence ${before === undefined ? "" : "DESC"} LIMIT 1 OFFSET :most`,
    { ...valuesOf(key), after, before: before ?? Number.MAX_SAFE_INTEGER, most },
  );
  return found?.sequence;
});

/** True when a message or a call stands up to there. */
export const isAnything = Effect.fnUntraced(function* (key: ThreadKey, end: Sequence) {
  const { rows } = yield* Ask;
  const found = yield* rows(
    `SELECT 1 AS there FROM messages m WHERE ${own("m")} AND m.sequence <= :end
     UNION ALL SELECT 1 FROM tool_calls c WHERE ${own("c")} AND c.sequence <= :end LIMIT 1`,
    { ...valuesOf(key), end },
  );
  return found.length > 0;
});

/** Of these call ids those that the thread has anywhere: what answers them is shown at the call. */
export const knownCalls = Effect.fnUntraced(function* (key: ThreadKey, callIds: ReadonlyArray<string>) {
  const { rows } = yield* Ask;
  const found = yield* rows<{ readonly callId: string }>(
    `SELECT DISTINCT c.call_id FROM tool_calls c WHERE ${own("c")} AND c.call_id IN (SELECT value FROM json_each(:callIds))`,
    { ...valuesOf(key), callIds: JSON.stringify(callIds) },
  );
  return new Set(found.map(({ callId }) => callId));
});

/** Calls up to `end` that were answered behind `after`: what a growing screen shows anew. */
export const answeredSince = Effect.fnUntraced(function* (key: ThreadKey, after: Sequence) {
  const { rows } = yield* Ask;
  return yield* rows<CallHead>(
    `SELECT ${callColumns} FROM v_tool_calls
     WHERE thread_id = :threadId AND tenant = :tenant AND sequence <= :after AND result_sequence > :after LIMIT 200`,
    { ...valuesOf(key), after, most: 1200 },
  );
});

/** One call whole. */
export const call = Effect.fnUntraced(function* (key: ThreadKey, callKey: string) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<ToolCallRow>(
    `SELECT * FROM v_tool_calls WHERE thread_id = :threadId AND tenant = :tenant AND call_key = :callKey LIMIT 1`,
    { ...valuesOf(key), callKey },
  );
  return found;
});

export interface Turn {
  readonly sequence: Sequence;
  readonly kind: string;
  readonly words: string | null;
  readonly at: number | null;
}

/** Most turns, calls, counts and reads that an outline is made of. */
const mostOfOutline = 20_000;

/** Prompts in order, and the calls, tokens and files between them. */
export const outline = Effect.fnUntraced(function* (key: ThreadKey) {
  const { rows } = yield* Ask;
  const values = { ...valuesOf(key), most: mostOfOutline };
  const turns = yield* rows<Turn>(
    `SELECT sequence, kind, substr(text, 1, 200) AS words, occurred_at AS at FROM v_messages
     WHERE thread_id = :threadId AND tenant = :tenant AND kind IN ('prompt', 'task', 'command')
       AND is_abandoned = 0 AND is_copied = 0 AND is_sidechain = 0
     ORDER BY sequence, ordinal LIMIT :most`,
    values,
  );
  const called = yield* rows<{
    readonly sequence: Sequence;
    readonly outcome: string;
    readonly endedAt: number | null;
  }>(
    `SELECT sequence, outcome, ended_at FROM v_tool_calls WHERE thread_id = :threadId AND tenant = :tenant ORDER BY sequence LIMIT :most`,
    values,
  );
  const spent = yield* rows<{ readonly sequence: Sequence; readonly tokens: number; readonly at: number | null }>(
    `SELECT sequence, coalesce(input_tokens, 0) + coalesce(output_tokens, 0) AS tokens, occurred_at AS at FROM v_token_usage
     WHERE thread_id = :threadId AND tenant = :tenant ORDER BY sequence LIMIT :most`,
    values,
  );
  const files = yield* rows<{ readonly sequence: Sequence; readonly path: string }>(
    `SELECT sequence, path FROM v_files_read WHERE thread_id = :threadId AND tenant = :tenant ORDER BY sequence LIMIT :most`,
    values,
  );
  return { turns, called, spent, files };
});

export interface Relative {
  readonly threadId: string;
  readonly relation: string | null;
  readonly title: string | null;
  readonly opening: string | null;
  readonly openedAt: number | null;
  readonly lastActivityAt: number | null;
}

/** Threads that were forked from this one or work for it, in the order in which they began. */
export const children = Effect.fnUntraced(function* (key: ThreadKey) {
  const { rows } = yield* Ask;
  return yield* rows<Relative>(
    `SELECT thread_id, parent_relation AS relation, title, opening, opened_at, last_activity_at FROM v_threads
     WHERE thread_id IN (SELECT n.text FROM threads t JOIN names n ON n.name = t.thread_id
       WHERE t.parent_thread_id = ${number(":threadId")} AND t.tenant = ${number(":tenant")}) AND tenant = :tenant
     ORDER BY opened_at, first_sequence LIMIT 500`,
    valuesOf(key),
  );
});

/** Last sequence of the thread's events that the read models have. */
export const reach = Effect.fnUntraced(function* (key: ThreadKey) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<{ readonly last: Sequence | null }>(
    `SELECT t.last_sequence AS last FROM threads t WHERE ${own("t")}`,
    valuesOf(key),
  );
  return found?.last ?? 0;
});

export interface RawEvent {
  readonly sequence: Sequence;
  readonly eventId: string | null;
  readonly type: string | null;
  readonly tenant: string | null;
  readonly kind: string | null;
  readonly subject: string | null;
  readonly source: string | null;
  readonly actor: string | null;
  readonly session: string | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  readonly traceparent: string | null;
  readonly occurredAt: number | null;
  readonly recordedAt: number | null;
  readonly data: string | Uint8Array | null;
  readonly dataBytes: number;
  readonly problem: string | null;
  /** In hexadecimal. */
  readonly digest: string | null;
  readonly meaning: string | null;
}

/** The event as the ledger has it. */
export const raw = Effect.fnUntraced(function* (sequence: Sequence) {
  const { rows } = yield* Ask;
  const [found] = yield* rows<RawEvent>(
    `SELECT sequence, event_id, type, tenant, kind, subject, source, actor, session, correlation_id, causation_id, traceparent,
       occurred_at, recorded_at, data, data_bytes, problem, digest, meaning FROM v_events WHERE sequence = :sequence`,
    { sequence },
  );
  return found;
});

/** One time that a thread read a file, with what the call that read it answered. */
export interface SeenFile {
  readonly sequence: Sequence;
  readonly sha256: string;
  readonly bytes: number;
  readonly fromLine: number | null;
  readonly toLine: number | null;
  readonly readAt: number;
  /** Null where no call says it. */
  readonly shown: string | null;
}

/** The reads of one file by one thread, in order; at most 40. */
export const seenOf = Effect.fnUntraced(function* (key: ThreadKey, path: string) {
  const { rows } = yield* Ask;
  return yield* rows<SeenFile>(
    `SELECT f.sequence, f.sha256, f.content_bytes AS bytes, f.from_line, f.to_line, f.read_at,
       (SELECT c.result FROM v_tool_calls c WHERE c.thread_id = f.thread_id AND c.tenant = f.tenant AND c.tool_call_id = f.tool_call_id LIMIT 1) AS shown
     FROM v_files_read f WHERE f.thread_id = :threadId AND f.tenant = :tenant AND f.path = :path ORDER BY f.sequence LIMIT 40`,
    { ...valuesOf(key), path },
  );
});
