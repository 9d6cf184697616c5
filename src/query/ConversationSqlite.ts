/**
 * One conversation: its messages with their parts, its tool calls and the files it read, now or as it was then.
 *
 * Room: query.
 *
 * Several messages or calls may stand in one event. A page therefore ends with a whole sequence, also when that makes
 * it longer than asked for: the next page begins after it and skips nothing.
 */
import type { Database } from "better-sqlite3";
import { textOf as partText } from "../../projections/text.ts";
import { defaultTenant, type Sequence } from "../domain/History.ts";
import { idText, storedId } from "../projection/fold/CompactId.ts";
import { firstHandOnly } from "../projection/Projection.ts";
import {
  type CompactionRow,
  type FileRow,
  maxPage,
  type MessageFilter,
  type MessageRow,
  type PartRow,
  type ToolCallRow,
} from "./Query.ts";
import { mostAheadMillis } from "../domain/EntryTimes.ts";
import type { MessageUsage } from "../domain/Tokens.ts";
import { StorageTrouble } from "../projection/ReadModel.ts";
import { isWhole } from "../projection/verify/Compare.ts";
import { ledgerOf } from "../projection/verify/LedgerSqlite.ts";
import { all, pageSize } from "./RowsSqlite.ts";

const noEnd = Number.MAX_SAFE_INTEGER;

/** The last event of the thread that had happened by then; 0 before the first. */
const sequenceAt = (db: Database, filter: MessageFilter, time: number): Sequence => {
  const [found] = all<{ readonly sequence: Sequence | null }>(
    db,
    `SELECT max(sequence) AS sequence FROM events WHERE history_id = (SELECT name FROM names WHERE text = :threadId)
       AND tenant = (SELECT name FROM names WHERE text = :tenant)
       AND kind = (SELECT name FROM names WHERE text = 'thread')
       AND iif(occurred_at > recorded_at + ${mostAheadMillis}, recorded_at, occurred_at) <= :time`,
    { threadId: filter.threadId, tenant: filter.tenant ?? defaultTenant, time },
  );
  return found?.sequence ?? 0;
};

const endOf = (db: Database, filter: MessageFilter): Sequence =>
  Math.min(
    filter.upToSequence ?? noEnd,
    filter.upToTime === undefined ? noEnd : sequenceAt(db, filter, filter.upToTime),
  );

/** Rows after a sequence, whole sequences only. `ask` is given the bounds; a limit of -1 is none. */
const wholePage = <A extends { readonly sequence: Sequence }>(
  filter: MessageFilter,
  end: Sequence,
  ask: (bounds: { readonly after: Sequence; readonly end: Sequence; readonly limit: number }) => ReadonlyArray<A>,
): ReadonlyArray<A> => {
  const limit = pageSize(filter.limit, maxPage);
  const page = ask({ after: filter.after ?? 0, end, limit });
  const last = page.at(-1)?.sequence;
  if (last === undefined || page.length < limit) return page;
  return [...page.filter(({ sequence }) => sequence < last), ...ask({ after: last - 1, end: last, limit: -1 })];
};

const messagesSql = `SELECT thread_id, message_id, sequence, role, kind, author, text, model, provider, tool, parent_message_id,
    stop_reason, is_sidechain, is_meta, is_abandoned, is_copied, copied_from, occurred_at, assumed_at FROM v_messages
  WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :end
    AND coalesce(occurred_at, assumed_at) <= :time
  ORDER BY sequence, ordinal, message_id LIMIT :limit`;

/** The parts of some messages of one thread in one tenant, pieces of a message in the order in which they came. */
const partsSql = `SELECT ${idText("p.message_id")} AS message_id, p.type, ${partText("p")} AS text,
    coalesce(p.bytes, 0) AS content_bytes, p.refers_to
  FROM message_parts p
  WHERE p.thread_id = (SELECT name FROM names WHERE text = :threadId)
    AND p.tenant = (SELECT name FROM names WHERE text = :tenant)
    AND p.message_id IN (SELECT ${storedId("value")} FROM json_each(:messageIds))
    AND p.sequence <= :end AND ${firstHandOnly({ table: "messages", alias: "p" })}
  ORDER BY min(p.sequence) OVER (PARTITION BY p.message_id, p.second_hand, p.segment), p.segment, p.ordinal`;

/** A message's text as the view puts it together, of the parts that were there. */
const textOf = (parts: ReadonlyArray<PartRow>): string | null => {
  const texts = parts.flatMap(({ text, type }) =>
    text !== null && (type === "text" || type === "tool_result") ? [text] : [],
  );
  return texts.length === 0 ? null : texts.join("\n");
};

const sequencesSql = `SELECT DISTINCT p.sequence FROM message_parts p
  WHERE p.thread_id = (SELECT name FROM names WHERE text = :threadId)
    AND p.tenant = (SELECT name FROM names WHERE text = :tenant)
    AND p.message_id IN (SELECT ${storedId("value")} FROM json_each(:messageIds)) AND p.sequence <= :end`;

/** Refuses changed texts: what was said lies in the ledger's rows, and one that does not match its digest is named. */
const assertWhole = (db: Database, bound: Readonly<Record<string, string | number>>): void => {
  const ledger = ledgerOf(db);
  for (const { sequence } of all<{ readonly sequence: Sequence }>(db, sequencesSql, bound)) {
    const entry = ledger.at(sequence);
    if (entry !== undefined && isWhole(entry)) continue;
    throw new StorageTrouble({
      reason: "damaged",
      path: db.name,
      message: `The ledger's row of sequence ${sequence} was changed or is gone: what it says is not given out.`,
      hint: "Put it back from the stream with: recollect rebuild",
    });
  }
};

const usageSql = `SELECT message_id, max(input_tokens) AS input, max(output_tokens) AS output, max(cache_read_tokens) AS cache_read,
    max(cache_write_tokens) AS cache_write, max(reasoning_tokens) AS reasoning FROM v_token_usage
  WHERE thread_id = :threadId AND tenant = :tenant AND message_id IN (SELECT value FROM json_each(:messageIds)) AND sequence <= :end
  GROUP BY message_id`;

type UsageRow = { readonly messageId: string } & Readonly<Record<keyof MessageUsage, number | null>>;

const usageOf = (row: UsageRow): MessageUsage =>
  Object.fromEntries(Object.entries(row).filter(([name, tokens]) => name !== "messageId" && tokens !== null));

export const readMessages = (db: Database, filter: MessageFilter): ReadonlyArray<MessageRow> => {
  const key = { threadId: filter.threadId, tenant: filter.tenant ?? defaultTenant };
  const end = endOf(db, filter);
  const time = filter.upToTime ?? noEnd;
  const found = wholePage(filter, end, (bounds) =>
    all<Omit<MessageRow, "parts" | "usage">>(db, messagesSql, { ...key, time, ...bounds }),
  );
  const messageIds = JSON.stringify(found.map(({ messageId }) => messageId));
  assertWhole(db, { ...key, messageIds, end });
  const parts = Map.groupBy(all<PartRow>(db, partsSql, { ...key, messageIds, end }), ({ messageId }) => messageId);
  const usages = new Map(
    all<UsageRow>(db, usageSql, { ...key, messageIds, end }).map((row) => [row.messageId, usageOf(row)]),
  );
  return found.map((message) => {
    const own = parts.get(message.messageId) ?? [];
    const usage = usages.get(message.messageId) ?? null;
    return { ...message, text: end === noEnd ? message.text : textOf(own), usage, parts: own };
  });
};

const callsSql = `SELECT thread_id, tool_call_id, call_key, message_id, tool_name, server, arguments, arguments_bytes, outcome,
    error_type, error_message, result, result_bytes, started_at, ended_at, duration_millis, sequence, result_sequence
  FROM v_tool_calls WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :end
  ORDER BY sequence, call_key LIMIT :limit`;

/** A call whose result had not come yet. */
const unanswered = {
  outcome: "unknown",
  errorType: null,
  errorMessage: null,
  result: null,
  resultBytes: null,
  endedAt: null,
  durationMillis: null,
  resultSequence: null,
} as const;

export const readToolCalls = (db: Database, filter: MessageFilter): ReadonlyArray<ToolCallRow> => {
  const key = { threadId: filter.threadId, tenant: filter.tenant ?? defaultTenant };
  const end = endOf(db, filter);
  const found = wholePage(filter, end, (bounds) => all<ToolCallRow>(db, callsSql, { ...key, ...bounds }));
  return found.map((call) => ((call.resultSequence ?? 0) > end ? { ...call, ...unanswered } : call));
};

const compactionsSql = `SELECT thread_id, sequence, trigger, tokens_before, summary, occurred_at FROM v_compactions
  WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :end
  ORDER BY sequence LIMIT :limit`;

export const readCompactions = (db: Database, filter: MessageFilter): ReadonlyArray<CompactionRow> => {
  const key = { threadId: filter.threadId, tenant: filter.tenant ?? defaultTenant };
  return wholePage(filter, endOf(db, filter), (bounds) =>
    all<CompactionRow>(db, compactionsSql, { ...key, ...bounds }),
  );
};

const filesSql = `SELECT thread_id, path, sha256, content_bytes, is_shown, is_changed, modified_at, machine, from_line, to_line, tool_call_id, message_id,
    read_at, sequence
  FROM v_files_read WHERE thread_id = :threadId AND tenant = :tenant AND sequence > :after AND sequence <= :end
  ORDER BY sequence LIMIT :limit`;

export const readFiles = (db: Database, filter: MessageFilter): ReadonlyArray<FileRow> => {
  const key = { threadId: filter.threadId, tenant: filter.tenant ?? defaultTenant };
  return wholePage(filter, endOf(db, filter), (bounds) => all<FileRow>(db, filesSql, { ...key, ...bounds }));
};
