/**
 * Tool calls: what was asked of tools, and what they answered.
 *
 * Room: projections.
 *
 * Calls and results are two tables, each keeping its first row whole: a second answer to a call must not fill the
 * cells that the first one left empty, and a result may come before its call.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { utf8Length } from "../src/domain/Json.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { type Change, firstHandOnly, nameText, type Projection } from "../src/projection/Projection.ts";
import type { Quoting } from "../src/projection/fold/Quote.ts";
import { indexedJson, indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import { hasText, head, textCells, textColumns, textOf } from "./text.ts";

/** Longest error text kept with a call, in UTF-16 units; the ledger has the whole answer. */
const maxError = 2000;

type ToolWasCalled = Extract<Fact, { readonly _tag: "ToolWasCalled" }>;
type ToolHasReturned = Extract<Fact, { readonly _tag: "ToolHasReturned" }>;

const keyOf = (event: RecordedEvent, fact: ToolWasCalled | ToolHasReturned) => ({
  call_key: fact.callKey,
  tenant: event.history.tenant,
  second_hand: fact.secondHand === true ? 1 : 0,
  thread_id: event.history.id,
  call_id: fact.callId,
  sequence: event.sequence,
});

const called = (event: RecordedEvent, fact: ToolWasCalled): Change => ({
  table: "tool_calls",
  row: {
    ...keyOf(event, fact),
    name: fact.name,
    server: fact.server,
    arguments: head(fact.arguments),
    arguments_bytes: utf8Length(fact.arguments),
    message_id: fact.messageId,
    copy_of: fact.copyOf,
    started_at: fact.at,
  },
});

/** Whether a message of the same event has this answer as a part. */
const isTold = (fact: ToolHasReturned, facts: ReadonlyArray<Fact>): boolean =>
  facts.some(
    (other) =>
      other._tag === "MessageSaid" &&
      other.parts.some((part) => part.type === "tool_result" && part.callId === fact.callId && part.text !== ""),
  );

const returned = (
  event: RecordedEvent,
  fact: ToolHasReturned,
  facts: ReadonlyArray<Fact>,
  quoting: Quoting,
): Change => ({
  table: "tool_results",
  row: {
    ...keyOf(event, fact),
    told: isTold(fact, facts) ? 1 : undefined,
    ...textCells(fact.result, { sequence: event.sequence, quoting }),
    outcome: fact.outcome,
    error_type: fact.errorType,
    error_message: fact.errorMessage === undefined ? undefined : head(fact.errorMessage, maxError),
    result_bytes: fact.resultBytes,
    copy_of: fact.copyOf,
    duration_ms: fact.durationMillis,
    ended_at: fact.at,
  },
});

const shared = {
  call_key: { type: "text", doc: "What makes it one call in its tenant." },
  tenant: { type: "name", doc: "Tenant." },
  second_hand: { type: "integer", doc: "1 when told by a second witness." },
  thread_id: { type: "name", doc: "Thread." },
  call_id: { type: "text", doc: "Call id as written." },
  sequence: { type: "integer", doc: "Sequence of the event." },
} as const;

const key = ["call_key", "tenant", "second_hand"];

/**
 * The reported duration, or what the clock says; the clocks of writers may disagree, so never below zero. Nothing where
 * one entry tells of call and result with one time: that says when it was told.
 */
const duration = `coalesce(r.duration_ms,
  CASE WHEN r.sequence <> c.sequence OR r.ended_at <> c.started_at THEN max(0, r.ended_at - c.started_at) END)`;

const joined = `tool_calls c LEFT JOIN tool_results r
  ON r.call_key = c.call_key AND r.tenant = c.tenant AND r.second_hand = c.second_hand`;

/** Of what an agent copied from another thread, what that one holds counts there. */
const notHeldThere = (alias: string): string => `(${alias}.copy_of IS NULL OR NOT EXISTS (SELECT 1 FROM tool_calls o
  WHERE o.call_key = ${alias}.copy_of AND o.tenant = ${alias}.tenant AND o.second_hand = ${alias}.second_hand))`;

export const callCounts = (alias: string): string =>
  `${firstHandOnly({ table: "tool_calls", alias })} AND ${notHeldThere(alias)}`;

const counted = callCounts("c");

export const toolCalls: Projection = {
  name: "tool_calls",
  version: 5,
  doc: "Tool executions: calls joined to their results.",
  tables: [
    {
      name: "tool_calls",
      doc: "One row per call; the first one holds.",
      key,
      rows: "first",
      columns: {
        ...shared,
        name: { type: "name", doc: "Tool." },
        server: { type: "name", doc: "Server of the tool." },
        arguments: { type: "text", doc: "Arguments as JSON text, at most 1 MiB." },
        arguments_bytes: { type: "integer", doc: "True size of the arguments in bytes." },
        message_id: { type: "id", doc: "Message that asked." },
        copy_of: { type: "text", doc: "Key of the call of which this one is a copy, where it is one." },
        started_at: { type: "integer", doc: "Epoch milliseconds; null when nobody said a time." },
      },
      indexes: [
        ["thread_id", "tenant", "second_hand", "sequence"],
        ["name", "thread_id"],
      ],
      fullText: {
        of: (row) => indexedJson(`${row}.arguments`),
        when: (row) => `(${row}.arguments IS NOT NULL AND ${row}.arguments <> '{}')`,
      },
    },
    {
      name: "tool_results",
      doc: "One row per answered call; the first answer holds.",
      key,
      rows: "first",
      columns: {
        ...shared,
        outcome: { type: "text", doc: "ok or error." },
        error_type: { type: "name", doc: "Kind of error." },
        error_message: { type: "text", doc: "What it said." },
        result_bytes: { type: "integer", doc: "Size of the result in bytes." },
        duration_ms: { type: "real", doc: "Reported duration." },
        ended_at: { type: "integer", doc: "Epoch milliseconds; null when nobody said a time." },
        copy_of: { type: "text", doc: "Key of the call of which this one's call is a copy." },
        told: { type: "integer", doc: "1 when a message of its event tells it, and is searched." },
        ...textColumns,
      },
      fullText: {
        of: (row) => indexedText(textOf(row)),
        when: (row) => `(${row}.told IS NOT 1 AND ${hasText(row)})`,
      },
    },
  ],
  views: [
    {
      name: "v_tool_calls",
      doc: "One row per tool call, joined to its result. A call counts once, however often it is told.",
      columns: {
        tool_call_id: "Id of the call as the format writes it; some formats use an id again for another call.",
        thread_id: "Thread the call was made in.",
        tenant: "Tenant the thread belongs to.",
        call_key: "What makes it one call in its tenant; unique, unlike the id.",
        message_id: "Message that asked for it; null when not said.",
        tool_name: "Name of the tool.",
        server: "Server that offers the tool, such as an MCP server; null for a built-in one.",
        arguments: "Arguments as JSON text, cut after 1 MiB; v_events has all of it.",
        arguments_bytes: "True size of the arguments in bytes of UTF-8.",
        outcome: "ok, error, or unknown when no result was seen.",
        error_type: "Kind of error, where the caller gives one; else null.",
        error_message: "What the error said; null for other outcomes.",
        result: "What the tool answered, its readable form, cut after 1 MiB; null when no result was seen.",
        result_bytes: "Size of the whole result in bytes of UTF-8; null when no result was seen.",
        started_at: "When it was asked for, epoch milliseconds; null when nobody said a time.",
        ended_at: "When the result came, epoch milliseconds; null when none was seen or nobody said a time.",
        duration_ms: "Duration in milliseconds as reported, else from start to end; null where neither is known.",
        sequence: "Stream sequence of the event that tells of the call.",
        result_sequence: "Stream sequence of the event that brought the result; null when none was seen.",
      },
      select: `SELECT c.call_id, t.text, ${nameText("c.tenant")}, c.call_key, ${idText("c.message_id")}, n.text,
        ${nameText("c.server")}, c.arguments, c.arguments_bytes, coalesce(r.outcome, 'unknown'), ${nameText("r.error_type")},
        r.error_message, CASE WHEN r.call_key IS NOT NULL THEN coalesce(${textOf("r")}, '') END, r.result_bytes,
        c.started_at, r.ended_at, ${duration}, c.sequence, r.sequence
        FROM ${joined} JOIN names t ON t.name = c.thread_id JOIN names n ON n.name = c.name WHERE ${counted}`,
    },
    {
      name: "v_unmatched_results",
      doc: "One row per tool result whose call was never seen.",
      columns: {
        tool_call_id: "Id of the call it answers.",
        thread_id: "Thread it came in.",
        tenant: "Tenant the thread belongs to.",
        outcome: "ok or error.",
        error_message: "What the error said; null when ok.",
        result_bytes: "Size of the whole result in bytes of UTF-8.",
        ended_at: "When it came, epoch milliseconds; null when nobody said a time.",
        sequence: "Stream sequence of the event that brought it.",
      },
      select: `SELECT r.call_id, t.text, ${nameText("r.tenant")}, r.outcome, r.error_message, r.result_bytes, r.ended_at, r.sequence
        FROM tool_results r JOIN names t ON t.name = r.thread_id WHERE NOT EXISTS (SELECT 1 FROM tool_calls c
          WHERE c.call_key = r.call_key AND c.tenant = r.tenant AND c.second_hand = r.second_hand)
        AND ${callCounts("r")}`,
    },
    {
      name: "v_tool_stats",
      doc: "One row per tool: how often, how well and how long.",
      columns: {
        tool_name: "Name of the tool.",
        server: "Server that offers it; null for a built-in one.",
        calls: "Number of calls.",
        ok: "Calls that succeeded.",
        errors: "Calls that failed.",
        unknown: "Calls whose result was never seen.",
        threads: "Threads it was called in.",
        timed: "Calls whose duration is known: what mean and longest duration are of.",
        mean_duration_ms: "Mean of the known durations in milliseconds; null when none is known.",
        max_duration_ms: "Longest known duration in milliseconds; null when none is known.",
        arguments_bytes: "Bytes of all arguments.",
        result_bytes: "Bytes of all results.",
        last_at: "When it was last called, epoch milliseconds; null when nobody said a time.",
      },
      select: `SELECT n.text, ${nameText("c.server")}, count(*), coalesce(sum(r.outcome = 'ok'), 0),
        coalesce(sum(r.outcome = 'error'), 0), sum(r.outcome IS NULL), count(DISTINCT c.thread_id || ' ' || c.tenant),
        count(${duration}), avg(${duration}), max(${duration}), coalesce(sum(c.arguments_bytes), 0), coalesce(sum(r.result_bytes), 0), max(c.started_at)
        FROM ${joined} JOIN names n ON n.name = c.name WHERE ${counted} GROUP BY c.name, c.server`,
    },
  ],
  facts: ["ToolWasCalled", "ToolHasReturned"],
  handle: (event, facts, quoting) =>
    facts.flatMap((fact): ReadonlyArray<Change> => {
      if (fact._tag === "ToolWasCalled") return [called(event, fact)];
      return fact._tag === "ToolHasReturned" ? [returned(event, fact, facts, quoting)] : [];
    }),
};
