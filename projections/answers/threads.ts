/**
 * Answers about conversations: turns and tools per turn, files read and written, storage, and whether all of it is whole.
 *
 * Room: projections.
 */
import { nameText, type View } from "../../src/projection/Projection.ts";
import { readers, writers } from "../activity/files.ts";
import { daysOf } from "../activity/sums.ts";
import { callCounts } from "../toolCalls.ts";
import { iso, isoDoc, share } from "./spell.ts";

const kindIs = (kind: string, row = "m"): string => `${row}.kind = (SELECT name FROM names WHERE text = '${kind}')`;
/** A turn begins with a person's prompt, or with the task that an agent gave. */
const begins = (row: string): string => `(${kindIs("prompt", row)} OR ${kindIs("task", row)})`;

const threadTurns: View = {
  name: "v_thread_turns",
  doc: "One row per thread: its turns, and what a turn takes. A turn begins with a person's prompt or an agent's task.",
  columns: {
    thread_id: "Thread.",
    tenant: "Tenant it belongs to.",
    turns: "Turns: prompts of persons, and tasks that an agent gave.",
    answers: "Answers of models.",
    tool_calls: "Tool calls.",
    errors: "Tool calls that failed.",
    calls_per_turn: "Tool calls for each turn; null without a turn.",
    answers_per_turn: "Answers for each turn; null without a turn.",
  },
  select: `SELECT n.text, ${nameText("a.tenant")}, (a.turns), (a.answers), coalesce(c.calls, 0), coalesce(c.errors, 0),
    ${share("coalesce(c.calls, 0)", "a.turns")}, ${share("a.answers", "a.turns")}
    FROM (SELECT m.thread_id, m.tenant, sum(CASE WHEN ${kindIs("prompt")} OR ${kindIs("task")} THEN m.messages ELSE 0 END) AS turns,
        sum(CASE WHEN ${kindIs("answer")} THEN m.messages ELSE 0 END) AS answers FROM message_activity m GROUP BY m.thread_id, m.tenant) a
    LEFT JOIN (SELECT thread_id, tenant, sum(calls) AS calls, sum(errors) AS errors FROM call_activity GROUP BY thread_id, tenant) c
      ON c.thread_id = a.thread_id AND c.tenant = a.tenant LEFT JOIN names n ON n.name = a.thread_id`,
};

/** Start of the next turn; beyond all sequences for the last one. */
const nextTurn = `coalesce((SELECT min(x.sequence) FROM messages x WHERE x.thread_id = m.thread_id AND x.sequence > m.sequence
  AND x.tenant = m.tenant AND x.elsewhere IS NULL AND ${begins("x")}), ${Number.MAX_SAFE_INTEGER})`;
const inTurn = `x.thread_id = m.thread_id AND x.sequence >= m.sequence AND x.sequence < ${nextTurn.replaceAll("x.", "y.").replace("messages x", "messages y")}
  AND x.tenant = m.tenant AND x.elsewhere IS NULL`;

const turns: View = {
  name: "v_turns",
  doc: "One row per turn: a person's prompt or an agent's task, and what came of it until the next. Ask it for one thread.",
  columns: {
    thread_id: "Thread.",
    tenant: "Tenant it belongs to.",
    turn: "Number of the turn in its thread, from 1.",
    sequence: "Stream sequence of its prompt.",
    messages: "Messages, the prompt among them.",
    answers: "Answers of models.",
    tool_calls: "Tool calls.",
    started_at: "When the prompt was said, epoch milliseconds; null where no record has a time.",
    ended_at: "When its last message was said, epoch milliseconds; null where no record has a time.",
    turn_millis: "Time from its prompt to its last message, milliseconds; null where no record has a time.",
  },
  select: `SELECT t.text, ${nameText("m.tenant")}, (SELECT count(*) FROM messages x WHERE x.thread_id = m.thread_id AND x.sequence <= m.sequence
      AND x.tenant = m.tenant AND x.elsewhere IS NULL AND ${begins("x")}), m.sequence,
    (SELECT count(*) FROM messages x WHERE ${inTurn}), (SELECT count(*) FROM messages x WHERE ${inTurn} AND ${kindIs("answer", "x")}),
    (SELECT count(*) FROM tool_calls x WHERE ${inTurn} AND x.second_hand IN (0, 1)), m.occurred_at,
    (SELECT max(x.occurred_at) FROM messages x WHERE ${inTurn}), (SELECT max(x.occurred_at) FROM messages x WHERE ${inTurn}) - m.occurred_at
    FROM messages m LEFT JOIN names t ON t.name = m.thread_id WHERE m.elsewhere IS NULL AND ${begins("m")}`,
};

const inList = (names: ReadonlyArray<string>): string =>
  `(SELECT name FROM names WHERE text IN (${names.map((name) => `'${name}'`).join(", ")}))`;
const files: View = {
  name: "v_file_use",
  doc: "One row per file, thread and tenant: how often its tools have read and written it, as their arguments name it.",
  columns: {
    path: "Path of the file, as the arguments name it.",
    thread_id: "Thread whose tools did.",
    tenant: "Tenant it belongs to.",
    client: "Client program of the thread; null when not said.",
    reads: "Calls of tools that read it, and did not fail.",
    writes: "Calls of tools that write it, and did not fail.",
    last_at: "When it was last read or written, epoch milliseconds; null where no record has a time.",
    last_time: isoDoc,
    last_sequence: "Stream sequence of the last of these calls.",
  },
  select: `SELECT ${nameText("f.path")}, t.text, ${nameText("f.tenant")}, ${nameText("h.client")}, (f.reads), (f.writes), (f.last_at),
    ${iso("f.last_at")}, (f.last_sequence)
    FROM (SELECT c.path, c.thread_id, c.tenant, sum(c.name IN ${inList(readers)}) AS reads,
      sum(c.name IN ${inList(writers)}) AS writes, max(c.started_at) AS last_at, max(c.sequence) AS last_sequence
      FROM tool_calls c WHERE c.path IS NOT NULL AND ${callCounts("c")} AND c.outcome IS NOT 'error' GROUP BY c.path, c.thread_id, c.tenant) f
    LEFT JOIN threads h ON h.thread_id = f.thread_id AND h.tenant = f.tenant LEFT JOIN names t ON t.name = f.thread_id`,
};

const joinDays = `JOIN ${daysOf("event_activity")} q ON q.quarter_at = a.quarter_at`;

const storage: View = {
  name: "v_daily_storage",
  doc: "One row per day on which the log took events, source and tenant: how the store grows, and by whom. May be added up.",
  columns: {
    day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz.",
    source: "Who wrote them: a program and, for imports, the format; empty for messages that are no events.",
    tenant: "Tenant they belong to; empty for messages that are no events.",
    events: "Events.",
    data_bytes: "Bytes of their data; on the disk it is stored twice, in the stream and in the ledger.",
  },
  select: `SELECT (q.day), ${nameText("a.source")}, ${nameText("a.tenant")}, sum(a.events), sum(a.bytes)
    FROM event_activity a ${joinDays} GROUP BY 1, a.source, a.tenant`,
};

const storageByThread: View = {
  name: "v_thread_storage",
  doc: "One row per thread, task or other history: what it takes in the log.",
  columns: {
    kind: "Kind of history; empty for messages that are no events.",
    subject: "Id of the history.",
    tenant: "Tenant it belongs to.",
    project: "Working directory of the thread; null when not said, and for what is no thread.",
    events: "Events.",
    data_bytes: "Bytes of their data.",
  },
  select: `SELECT ${nameText("a.kind")}, ${nameText("a.history_id")}, ${nameText("a.tenant")}, (SELECT ${nameText("t.cwd")} FROM threads t
      WHERE t.thread_id = a.history_id AND t.tenant = a.tenant), sum(a.events), sum(a.bytes)
    FROM event_activity a GROUP BY a.kind, a.history_id, a.tenant`,
};

const meanings: View = {
  name: "v_event_meanings",
  doc: "One row per day, source, type and meaning: what the log took, for an auditor. May be added up.",
  columns: {
    day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz.",
    tenant: "Tenant they belong to; empty for messages that are no events.",
    source: "Who wrote them.",
    type: "Event type: how they came.",
    meaning: "What they were, as in v_events; empty where nothing here understands them.",
    events: "Events.",
    data_bytes: "Bytes of their data.",
  },
  select: `SELECT (q.day), ${nameText("a.tenant")}, ${nameText("a.source")}, ${nameText("a.type")}, ${nameText("a.meaning")},
    sum(a.events), sum(a.bytes) FROM event_activity a ${joinDays} GROUP BY 1, a.tenant, a.source, a.type, a.meaning`,
};

const whole: View = {
  name: "v_health",
  doc: "One row: whether the record is whole, as far as the database itself can say.",
  columns: {
    events: "Stored messages of the stream that the ledger has.",
    last_sequence: "Sequence of the last of them.",
    checkpoint_sequence: "Sequence up to which every projection has come: less than the last one while one is behind.",
    recorded_at: "When the log took the last of them, epoch milliseconds; null for an empty store.",
    recorded_time: isoDoc,
    dead_letters: "Events that a projection refused.",
    not_understood: "Events and entries that nothing here understands yet.",
    unanswered: "Tool calls whose result was never seen.",
    unmatched_results: "Tool results whose call was never seen.",
  },
  select: `SELECT (w.events), (w.last_sequence), (SELECT min(p.sequence) FROM checkpoints p), l.recorded_at, ${iso("l.recorded_at")},
    (SELECT count(*) FROM dead_letters), (SELECT count(*) FROM unknown_entries),
    (SELECT count(*) FROM tool_calls c WHERE c.result_sequence IS NULL AND ${callCounts("c")}),
    (SELECT count(*) FROM tool_calls c WHERE c.sequence IS NULL AND c.result_sequence > 0 AND c.elsewhere IS NULL)
    FROM (SELECT coalesce((SELECT max(sequence) FROM events) - (SELECT min(sequence) FROM events) + 1, 0) AS events,
      (SELECT max(sequence) FROM events) AS last_sequence) w
    LEFT JOIN events l ON l.sequence = w.last_sequence`,
};

export const threadAnswers: ReadonlyArray<View> = [
  threadTurns,
  turns,
  files,
  storage,
  storageByThread,
  meanings,
  whole,
];
