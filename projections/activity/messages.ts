/**
 * Messages by time: how many of which kind each model and person said, by thread and quarter of an hour.
 *
 * Room: projections.
 */
import { nameText, type View } from "../../src/projection/Projection.ts";
import { type Summed, type Told, upkeepOf } from "./counted.ts";
import { daysOf, joinTenant, numbered, one, orZero, quarter, same, tableOf, when } from "./sums.ts";

const told: Told = {
  table: "messages",
  key: ["thread_id", "tenant", "second_hand", "message_id"],
  copy: { copied_from: "thread_id", message_id: "message_id" },
};

const summed: Summed = {
  table: "message_activity",
  key: {
    quarter_at: quarter("occurred_at"),
    thread_id: same("thread_id"),
    tenant: same("tenant"),
    kind: orZero("kind"),
    model: orZero("model"),
  },
  sums: { messages: one },
  by: ["occurred_at", "thread_id", "tenant", "kind", "model"],
};

const dailyActivity: View = {
  name: "v_daily_activity",
  doc: "One row per day of the person and tenant: what was said in how many threads. A thread that crosses midnight is in both days.",
  columns: {
    day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz; null for all without a time.",
    tenant: "Tenant it belongs to.",
    threads: "Threads in which something was said.",
    messages: "Messages of all kinds.",
    prompts: "Prompts of persons.",
    answers: "Answers of models.",
  },
  select: `SELECT (q.day), ${nameText("m.tenant")}, count(DISTINCT m.thread_id), sum(m.messages),
    sum(CASE WHEN m.kind = (SELECT name FROM names WHERE text = 'prompt') THEN m.messages ELSE 0 END),
    sum(CASE WHEN m.kind = (SELECT name FROM names WHERE text = 'answer') THEN m.messages ELSE 0 END)
    FROM message_activity m JOIN ${daysOf("message_activity")} q ON q.quarter_at = m.quarter_at GROUP BY 1, m.tenant`,
};

const models: View = {
  name: "v_models",
  doc: "One row per model that spoke, and tenant: how much, where, and when.",
  columns: {
    model: "Model that spoke.",
    tenant: "Tenant it belongs to.",
    messages: "Messages it said.",
    threads: "Threads it spoke in.",
    first_at: "Quarter of an hour in which it first spoke, epoch milliseconds; null where no record has a time.",
    last_at: "Quarter of an hour in which it last spoke, epoch milliseconds; null where no record has a time.",
  },
  select: `SELECT ${nameText("m.model")}, ${nameText("m.tenant")}, sum(m.messages), count(DISTINCT m.thread_id),
    min(nullif(m.quarter_at, 0)), max(nullif(m.quarter_at, 0)) FROM message_activity m WHERE m.model <> 0 GROUP BY m.model, m.tenant`,
};

/** SQL: the messages of a row where they are of this kind, whose number is looked up once. */
const ofKind = (kind: string): string =>
  `CASE WHEN m.kind = (SELECT name FROM names WHERE text = '${kind}') THEN m.messages ELSE 0 END`;

const messageActivity: View = {
  name: "v_message_activity",
  doc: "One row per quarter of an hour, thread, kind of message and model: how many messages. May be added up.",
  columns: {
    ...when,
    kind: "Kind of message, as in v_messages.",
    model: "Model that spoke; null when none did or it was not said.",
    messages: "Messages.",
    ...numbered,
    prompts: "Of the messages, prompts of persons.",
    answers: "Of the messages, answers of models.",
  },
  select: `SELECT m.quarter_at, t.text, w.text, ${nameText("m.kind")}, ${nameText("m.model")}, m.messages, m.thread_id, ${ofKind("prompt")}, ${ofKind("answer")}
    FROM message_activity m LEFT JOIN names t ON t.name = m.thread_id ${joinTenant("m")}`,
};

export const messageActivityTable = tableOf(summed, "One row per quarter, thread, kind of message and model.");
export const messageActivityViews = [dailyActivity, models, messageActivity];
export const messageUpkeep = upkeepOf(told, summed);
