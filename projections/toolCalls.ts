/**
 * Tool calls: what was asked of tools, and what they answered.
 *
 * Room: projections.
 *
 * A call and its result are one row of two parts, each as its first event tells it: a second answer to a call must not fill
 * the cells that the first one left empty, and a result may come before its call. The result's text lies beside.
 *
 * Decision: one row, because grouping calls by outcome took 1.8 s of a million events where the result lay in another table
 * behind the key, and 14 ms without it.
 */
import { hash } from "node:crypto";
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { utf8Length } from "../src/domain/Json.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { type Change, type Column, nameText, type Projection, type View } from "../src/projection/Projection.ts";
import type { Quoting } from "../src/projection/fold/Quote.ts";
import { indexedJson, indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import {
  callActivityTable,
  callActivityViews,
  callUpkeep,
  duration,
  durationOfCall,
  isCall,
} from "./activity/calls.ts";
import { pathOf } from "./activity/files.ts";
import { countsHere, elsewhere, twinCells, twinColumns, twinIndex } from "./activity/counted.ts";
import { hasText, head, textCells, textColumns, textOf } from "./text.ts";

/** Longest error text kept with a call, in UTF-16 units; the ledger has the whole answer. */
const maxError = 2000;

type ToolWasCalled = Extract<Fact, { readonly _tag: "ToolWasCalled" }>;
type ToolHasReturned = Extract<Fact, { readonly _tag: "ToolHasReturned" }>;

const keyOf = (event: RecordedEvent, fact: ToolWasCalled | ToolHasReturned) => ({
  call_key: fact.callKey,
  tenant: event.history.tenant,
  second_hand: fact.secondHand === true ? 1 : 0,
});

const shared = (event: RecordedEvent, fact: ToolWasCalled | ToolHasReturned) => ({
  ...keyOf(event, fact),
  thread_id: event.history.id,
  call_id: fact.callId,
  copy_of: fact.copyOf,
  ...twinCells(fact.twin, event.sequence),
});

/** 32 bits of their hash: two that differ hardly meet among the calls of one tool in one thread. */
const keyOfArguments = (text: string): number | undefined =>
  text === "{}" ? undefined : hash("sha256", text, "buffer").readUIntBE(0, 4);

const called = (event: RecordedEvent, fact: ToolWasCalled): Change => ({
  table: "tool_calls",
  row: {
    ...shared(event, fact),
    sequence: event.sequence,
    name: fact.name,
    server: fact.server,
    arguments: head(fact.arguments),
    arguments_key: keyOfArguments(fact.arguments),
    arguments_bytes: utf8Length(fact.arguments),
    path: pathOf(fact.name, fact.arguments),
    message_id: fact.messageId,
    started_at: fact.at,
  },
});

/** True when a message of the same event has this answer as a part. */
const isTold = (fact: ToolHasReturned, facts: ReadonlyArray<Fact>): boolean =>
  facts.some(
    (other) =>
      other._tag === "MessageSaid" &&
      other.parts.some((part) => part.type === "tool_result" && part.callId === fact.callId && part.text !== ""),
  );

const returned = (
  event: RecordedEvent,
  fact: ToolHasReturned,
  told: { readonly ordinal: number; readonly facts: ReadonlyArray<Fact>; readonly quoting: Quoting },
): ReadonlyArray<Change> => {
  const { sequence } = event;
  const { facts, ordinal, quoting } = told;
  const place = { sequence, ordinal, thread_id: event.history.id };
  // The words of its event's message are searched there.
  const searched = isTold(fact, facts) ? { tenant: event.history.tenant } : keyOf(event, fact);
  const text: ReadonlyArray<Change> =
    fact.result === undefined || fact.result === ""
      ? []
      : [{ table: "tool_results", row: { ...place, ...searched, ...textCells(fact.result, { sequence, quoting }) } }];
  const result: Change = {
    table: "tool_calls",
    row: {
      ...shared(event, fact),
      result_sequence: sequence,
      result_ordinal: ordinal,
      outcome: fact.outcome,
      error_type: fact.errorType,
      error_message: fact.errorMessage === undefined ? undefined : head(fact.errorMessage, maxError),
      result_bytes: fact.resultBytes,
      reported_millis: fact.durationMillis,
      ended_at: fact.at,
    },
  };
  return [result, ...text];
};

const key = ["call_key", "tenant", "second_hand"];
const keyColumns = {
  call_key: { type: "text", doc: "What makes it one call in its tenant." },
  tenant: { type: "name", doc: "Tenant." },
  second_hand: { type: "integer", doc: "1 when told by a second witness." },
} as const;

const ofCall = <C extends Omit<Column, "merge">>(column: C): Column => ({ ...column, merge: { firstOf: "sequence" } });
const ofResult = <C extends Omit<Column, "merge">>(column: C): Column => ({
  ...column,
  merge: { firstOf: "result_sequence" },
});

/** SQL: calls that count: first-hand ones, and of what an agent copied from another thread what that one does not hold. */
export const callCounts = (alias: string): string => `${isCall(alias)} AND ${countsHere(alias)}`;

/** SQL: the text of a call's result; empty for one without, null where no result was seen. */
const resultText = (
  row: string,
): string => `CASE WHEN ${row}.result_sequence IS NOT NULL THEN coalesce((SELECT ${textOf("a")}
  FROM tool_results a WHERE a.sequence = ${row}.result_sequence AND a.ordinal = ${row}.result_ordinal), '') END`;

/** A server begins a call at most so long after its agent asked for it: a person may have been asked first. Milliseconds. */
const mostBetween = 600_000;
/** Clocks of two programs on one machine, milliseconds. */
const clocksApart = 1_000;

const isOwnCall = (call: string): string =>
  `(SELECT ${nameText("e.type")} FROM events e WHERE e.sequence = ${call}.sequence) = 'thread.tool_called'`;

/** SQL: whether an agent's name of a tool is this one, which it may write behind its server's: `mcp__weather__forecast`. */
const isNameOf = (agents: string, servers: string): string =>
  `(${agents} = ${servers} OR substr(${nameText(agents)}, -length(${nameText(servers)}) - 2) = '__' || ${nameText(servers)})`;

/** SQL: key of the agent's call that ran when the server's did, with the same tool and arguments; the nearest before it. */
const nearest = `SELECT a.call_key FROM tool_calls a WHERE a.started_at BETWEEN w.started_at - ${mostBetween} AND w.started_at + ${clocksApart}
  AND a.sequence IS NOT NULL AND a.tenant = w.tenant AND a.second_hand = 0 AND a.elsewhere IS NULL AND a.thread_id <> w.thread_id
  AND a.arguments_key IS w.arguments_key AND (a.ended_at IS NULL OR a.ended_at >= w.started_at - ${clocksApart})
  AND ${isNameOf("a.name", "w.name")} AND NOT ${isOwnCall("a")} ORDER BY a.started_at DESC LIMIT 1`;

const witnessRow = (
  how: string,
): string => `c.call_key, ${nameText("c.tenant")}, ${nameText("c.thread_id")}, ${nameText("c.name")},
  w.call_key, ${nameText("w.thread_id")}, ${nameText("w.server")}, CAST('${how}' AS TEXT), CAST(coalesce(w.outcome, 'unknown') AS TEXT), w.started_at, w.ended_at,
  ${duration("w")}, w.sequence`;

const witnesses: View = {
  name: "v_call_witnesses",
  doc: "One row per tool call that its server or an editor's door recorded beside the agent, and how the two were joined.",
  columns: {
    call_key: "The agent's call, as v_tool_calls.call_key.",
    tenant: "Tenant of both.",
    thread_id: "Thread of the agent's call.",
    tool_name: "Name of the tool as the agent has it.",
    witness_key: "The call as the other one recorded it.",
    witness_thread_id: "Thread of that record.",
    server: "Server that was called, where the other one says so.",
    joined_by:
      "call id: the other one names the agent's id, and the call counts once. arguments and time: same tool, arguments and time, and both count.",
    outcome: "ok, error or unknown, as the other one saw it.",
    started_at: "Start time there, epoch milliseconds; null where no record has one.",
    ended_at: "When it ended there, epoch milliseconds; null when no end was seen.",
    duration_millis: "Duration there, milliseconds: without the agent's own time. Null where not known.",
    sequence: "Stream sequence of the other one's event.",
  },
  select: `SELECT ${witnessRow("call id")} FROM tool_calls w
    JOIN tool_calls c ON c.call_key = w.copy_of AND c.tenant = w.tenant AND c.second_hand = (SELECT min(o.second_hand)
      FROM tool_calls o WHERE o.call_key = w.copy_of AND o.tenant = w.tenant AND o.sequence IS NOT NULL)
    WHERE w.copy_of IS NOT NULL AND w.sequence IS NOT NULL AND c.sequence IS NOT NULL AND ${isOwnCall("w")}
    UNION ALL SELECT ${witnessRow("arguments and time")} FROM tool_calls w
    JOIN tool_calls c ON c.call_key = (${nearest}) AND c.tenant = w.tenant AND c.second_hand = 0
    WHERE w.server IS NOT NULL AND w.sequence IS NOT NULL AND w.second_hand = 0 AND w.elsewhere IS NULL
    AND w.started_at IS NOT NULL AND ${isOwnCall("w")}`,
};

export const toolCalls: Projection = {
  name: "tool_calls",
  version: 16,
  doc: "Tool executions: calls and their results.",
  tables: [
    {
      name: "tool_calls",
      doc: "One row per call, and per result whose call was never seen: that one has no sequence.",
      key,
      columns: {
        ...keyColumns,
        ...twinColumns,
        elsewhere,
        thread_id: ofCall({ type: "name", doc: "Thread of the call; of the result where there is no call." }),
        call_id: ofCall({ type: "text", doc: "Call id as written." }),
        copy_of: ofCall({ type: "text", doc: "Key of the call of which this one is a copy, where it is one." }),
        sequence: { type: "integer", merge: "first", doc: "Sequence of the event that tells of the call first." },
        name: ofCall({ type: "name", doc: "Tool." }),
        server: ofCall({ type: "name", doc: "Server of the tool." }),
        arguments: ofCall({ type: "text", doc: "Arguments as JSON text, at most 1 MiB." }),
        arguments_key: ofCall({ type: "integer", doc: "Equal for equal arguments: of their SHA-256; null for none." }),
        arguments_bytes: ofCall({ type: "integer", doc: "True size of the arguments in bytes." }),
        path: ofCall({
          type: "name",
          doc: "File that it reads or writes, as the arguments name it; null for other tools.",
        }),
        message_id: ofCall({ type: "id", doc: "Message that asked." }),
        started_at: ofCall({ type: "integer", doc: "Epoch milliseconds; null where no record has a time." }),
        result_sequence: {
          type: "integer",
          merge: "first",
          doc: "Sequence of the event that brought the first result.",
        },
        result_ordinal: ofResult({ type: "integer", doc: "Place of the result in its event, from 0." }),
        outcome: ofResult({ type: "text", doc: "ok or error." }),
        error_type: ofResult({ type: "name", doc: "Kind of error." }),
        error_message: ofResult({ type: "text", doc: "What it said." }),
        result_bytes: ofResult({ type: "integer", doc: "Size of the result in bytes." }),
        reported_millis: ofResult({ type: "real", doc: "Reported duration." }),
        duration_millis: { type: "real", generated: durationOfCall, doc: "Duration, reported or reckoned." },
        ended_at: ofResult({ type: "integer", doc: "Epoch milliseconds; null where no record has a time." }),
      },
      indexes: [
        // The order of calls in a thread, and their durations, without a row being read.
        [
          "thread_id",
          "tenant",
          "second_hand",
          "sequence",
          "name",
          "elsewhere",
          "started_at",
          "duration_millis",
          "server",
        ],
        // Partial, so that durations come off the index before it: SQLite takes none with a generated column for a covering one.
        { on: ["thread_id", "tenant", "result_sequence"], where: "result_sequence IS NOT NULL" },
        ["name", "thread_id", "arguments_key", "tenant", "sequence", "elsewhere"],
        // Everything that percentiles are made of, so that no row is read for them.
        ["tenant", "name", "duration_millis", "server", "thread_id", "elsewhere", "sequence", "started_at"],
        { on: ["started_at"], where: "sequence IS NOT NULL" },
        { on: ["copy_of", "tenant"], where: "copy_of IS NOT NULL" },
        twinIndex,
        {
          on: ["path", "thread_id", "tenant", "name", "outcome", "elsewhere", "sequence", "started_at"],
          where: "path IS NOT NULL",
        },
        { on: ["ended_at"], where: "outcome = 'error'" },
        { on: ["started_at"], where: "result_sequence IS NULL" },
        { on: ["result_sequence"], where: "sequence IS NULL" },
      ],
      fullText: {
        of: (row) => indexedJson(`${row}.arguments`),
        when: (row) => `(${row}.arguments IS NOT NULL AND ${row}.arguments <> '{}')`,
      },
    },
    {
      name: "tool_results",
      doc: "One row per result that has a text.",
      key: ["sequence", "ordinal"],
      rows: "first",
      columns: {
        sequence: { type: "integer", doc: "Sequence of the event that brought it." },
        ordinal: { type: "integer", doc: "Place in its event, from 0." },
        thread_id: { type: "name", doc: "Thread it came in." },
        ...keyColumns,
        call_key: { type: "text", doc: "Its call; null where a message of its event tells it, and is searched." },
        second_hand: { type: "integer", doc: "The same." },
        ...textColumns,
      },
      fullText: {
        of: (row) => indexedText(textOf(row)),
        when: (row) => `(${row}.call_key IS NOT NULL AND ${hasText(row)})`,
      },
    },
    callActivityTable,
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
        started_at: "When it was asked for, epoch milliseconds; null where no record has a time.",
        ended_at: "When the result came, epoch milliseconds; null where no result or no time is recorded.",
        duration_millis: "Duration in milliseconds as reported, else from start to end; null where neither is known.",
        sequence: "Stream sequence of the event that tells of the call.",
        result_sequence: "Stream sequence of the event that brought the result; null when none was seen.",
      },
      select: `SELECT c.call_id, t.text, ${nameText("c.tenant")}, c.call_key, ${idText("c.message_id")}, n.text,
        ${nameText("c.server")}, c.arguments, c.arguments_bytes, coalesce(c.outcome, 'unknown'), ${nameText("c.error_type")},
        c.error_message, ${resultText("c")}, c.result_bytes, c.started_at, c.ended_at, ${duration("c")}, c.sequence, c.result_sequence
        FROM tool_calls c LEFT JOIN names t ON t.name = c.thread_id LEFT JOIN names n ON n.name = c.name WHERE ${callCounts("c")}`,
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
        ended_at: "When it came, epoch milliseconds; null where no record has a time.",
        result_sequence: "Stream sequence of the event that brought it.",
      },
      select: `SELECT r.call_id, t.text, ${nameText("r.tenant")}, r.outcome, r.error_message, r.result_bytes, r.ended_at, r.result_sequence
        FROM tool_calls r LEFT JOIN names t ON t.name = r.thread_id WHERE r.sequence IS NULL AND ${countsHere("r")}`,
    },
    witnesses,
    ...callActivityViews,
  ],
  upkeep: callUpkeep,
  facts: ["ToolWasCalled", "ToolHasReturned"],
  handle: (event, facts, quoting) =>
    facts.flatMap((fact, ordinal): ReadonlyArray<Change> => {
      if (fact._tag === "ToolWasCalled") return [called(event, fact)];
      return fact._tag === "ToolHasReturned" ? returned(event, fact, { ordinal, facts, quoting }) : [];
    }),
};
