/**
 * Threads: one row per conversation, and its tags.
 *
 * Room: projections.
 *
 * The view adds up what `activity` counts of messages and tool calls, so that no number is stored twice.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact, MessageKind, MessageSaid, ThreadDescribed, VisibilityChanged } from "../src/domain/Fact.ts";
import { kindOf, plainWords, wordsOfPerson } from "../src/domain/thread/MessageKind.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";
import { indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import { countsHere } from "./activity/counted.ts";
import { hasText, head, maxTitle, textOf } from "./text.ts";

/** Order of lists of threads: one without a time comes after all others. */
export const listOrder = "coalesce(last_activity_at, -9000000000000000)";

/** Longest opening that a listing shows of a thread without a title. */
const maxOpening = 200;

const described = (event: RecordedEvent, fact: ThreadDescribed): ReadonlyArray<Change> => {
  const thread = { thread_id: event.history.id, tenant: event.history.tenant };
  const tag =
    (present: 0 | 1) =>
    (text: string): Change => ({
      table: "thread_tags",
      row: { ...thread, tag: text, present, sequence: event.sequence, changed_at: event.occurredAt },
    });
  return [
    {
      table: "threads",
      row: {
        ...thread,
        title: fact.title === undefined ? undefined : head(plainWords(fact.title), maxTitle),
        tool: fact.tool,
        client: fact.client?.name,
        client_version: fact.client?.version,
        provider: fact.provider,
        model: fact.model,
        cwd: fact.cwd,
        branch: fact.branch,
        session: fact.session,
        parent_thread_id: fact.parentThreadId,
        parent_relation: fact.relation,
        archived_at: fact.archived === true ? event.occurredAt : undefined,
      },
    },
    ...(fact.title === undefined
      ? []
      : [
          {
            table: "thread_titles",
            row: { ...thread, title: head(plainWords(fact.title), maxTitle), sequence: event.sequence },
          },
        ]),
    ...(fact.tagsRemoved ?? []).map(tag(0)),
    ...(fact.tagsAdded ?? []).map(tag(1)),
  ];
};

/** 0 stands for "no longer": a cell that is null says nothing of its column. */
const visibility = ({ history, occurredAt }: RecordedEvent, fact: VisibilityChanged): Change => ({
  table: "threads",
  row: {
    thread_id: history.id,
    tenant: history.tenant,
    deleted_at: fact.isDeleted === undefined ? undefined : fact.isDeleted ? occurredAt : 0,
    expires_at: fact.expiresAt,
  },
});

/** The first words of a person: what a thread without a title is known by. Words of the program do not count. */
const opening = (event: RecordedEvent, fact: MessageSaid): ReadonlyArray<Change> => {
  const kind = kindOf(fact);
  if (kind !== "prompt" && kind !== "task" && kind !== "command") return [];
  const words = wordsOfPerson(fact.parts);
  if (words === undefined) return [];
  const { id: thread_id, tenant } = event.history;
  const told = head(plainWords(words), maxOpening);
  // A command to the program, or the task of a sub-agent, stands in for a prompt while there is none.
  const row =
    kind === "prompt"
      ? { thread_id, tenant, opening: told, opening_message: fact.messageId }
      : { thread_id, tenant, stand_in: told };
  return [{ table: "threads", row }];
};

const openingText = `substr(${textOf("p")}, 1, ${maxOpening})`;

/**
 * SQL over `threads t`: the first words of a person. A fork begins with its parent's: it is known by the first prompt that
 * counts in it, and by its parent's where it has none.
 */
export const openingOf = `coalesce(CASE WHEN EXISTS (SELECT 1 FROM messages m WHERE m.thread_id = t.thread_id AND m.tenant = t.tenant
    AND m.second_hand = 0 AND m.message_id = t.opening_message AND m.elsewhere = 2)
  THEN (SELECT ${openingText} FROM messages m JOIN message_parts p ON p.thread_id = m.thread_id AND p.tenant = m.tenant
      AND p.second_hand = m.second_hand AND p.message_id = m.message_id
    WHERE m.thread_id = t.thread_id AND m.tenant = t.tenant AND m.elsewhere IS NULL
      AND m.kind IN (SELECT name FROM names WHERE text IN ('prompt', 'task')) AND p.type = 'text' AND ${hasText("p")}
    ORDER BY m.sequence, p.ordinal LIMIT 1) END, t.opening, t.stand_in)`;

const own = (alias: string) => `${alias}.thread_id = t.thread_id AND ${alias}.tenant = t.tenant`;

/** The title of a summary that names a line of the thread: it may stand in any file. */
const summarized = `(SELECT l.title FROM message_lines l
  WHERE l.thread_id = t.thread_id AND l.tenant = t.tenant AND l.title IS NOT NULL LIMIT 1)`;

const messagesOf = (also = "") =>
  `(SELECT coalesce(sum(a.messages), 0) FROM message_activity a WHERE ${own("a")}${also})`;

const ofKinds = (...kinds: ReadonlyArray<MessageKind>) =>
  messagesOf(` AND a.kind IN (SELECT name FROM names WHERE text IN (${kinds.map((kind) => `'${kind}'`).join(", ")}))`);

const spentIn = (what: string) => `(SELECT ${what} FROM token_activity a WHERE ${own("a")})`;

/** The latest time that is said of the event. */
const saidAt = (facts: ReadonlyArray<Fact>): number | undefined => {
  let latest: number | undefined;
  for (const { at } of facts) if (at !== undefined && (latest === undefined || at > latest)) latest = at;
  return latest;
};

export const threads: Projection = {
  name: "threads",
  version: 14,
  doc: "Conversations: who, with what, when, and how they are tagged.",
  tables: [
    {
      name: "threads",
      doc: "One row per thread, from its first event on.",
      key: ["thread_id", "tenant"],
      clustered: true,
      hot: true,
      columns: {
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        first_sequence: {
          type: "integer",
          merge: "min",
          doc: "Sequence of its first event; unique, so it breaks ties.",
        },
        title: { type: "text", doc: "Title." },
        opening: { type: "text", merge: "first", doc: "First words of a person." },
        opening_message: { type: "id", merge: "first", doc: "Message that they stand in." },
        stand_in: { type: "text", merge: "first", doc: "First command or task, shown while no person spoke." },
        source: { type: "name", merge: "first", doc: "Who wrote its first event." },
        client: { type: "name", doc: "Client program." },
        client_version: { type: "name", doc: "Its version." },
        tool: { type: "name", doc: "Agent tool." },
        provider: { type: "name", doc: "Provider." },
        model: { type: "name", doc: "Model." },
        cwd: { type: "name", doc: "Working directory." },
        branch: { type: "name", doc: "Branch." },
        session: { type: "name", doc: "Session." },
        parent_thread_id: { type: "name", doc: "Parent." },
        parent_relation: { type: "text", doc: "What it is to its parent." },
        opened_at: { type: "integer", merge: "min", doc: "Earliest time said, epoch milliseconds." },
        last_activity_at: { type: "integer", merge: "max", doc: "Latest time said, epoch milliseconds." },
        listed_at: { type: "integer", merge: "max", doc: "The same, also by assumed times: for lists." },
        last_sequence: { type: "integer", merge: "max", doc: "Sequence of its last event." },
        archived_at: { type: "integer", doc: "When it was archived, epoch milliseconds." },
        deleted_at: { type: "integer", doc: "When it was deleted, epoch milliseconds; 0 when it was restored." },
        expires_at: { type: "integer", doc: "From when on it is hidden, epoch milliseconds; 0 when it was restored." },
      },
      indexes: [
        ["listed_at", "first_sequence"],
        [`(${listOrder})`, "first_sequence"],
        ["parent_thread_id"],
        ["thread_id", "tenant", "client", "client_version", "tool", "cwd"],
      ],
    },
    {
      name: "thread_titles",
      doc: "One row per thread with a title, for search.",
      key: ["thread_id", "tenant"],
      columns: {
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        title: { type: "text", doc: "Title." },
        sequence: { type: "integer", doc: "Sequence of the event that gave it." },
      },
      fullText: { of: (row) => indexedText(`${row}.title`), when: (row) => `(${row}.title IS NOT NULL)` },
    },
    {
      name: "thread_tags",
      doc: "One row per tag a thread ever had.",
      key: ["thread_id", "tenant", "tag"],
      clustered: true,
      columns: {
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        tag: { type: "name", doc: "Tag." },
        present: { type: "integer", doc: "1 while it is on, 0 when removed." },
        sequence: { type: "integer", doc: "Sequence of the last change." },
        changed_at: { type: "integer", doc: "When that happened, epoch milliseconds." },
      },
      indexes: [["tag"]],
    },
  ],
  views: [
    {
      name: "v_threads",
      doc: "One row per thread: a conversation.",
      columns: {
        thread_id: "Id of the thread; for imported transcripts, the agent's own session id.",
        tenant: "Tenant it belongs to.",
        title: "Title; null when it was never given one.",
        opening:
          "First prompt, in a fork the first after the fork; else the first command or the given task. At most 200 characters; null while there is none.",
        source: "Who wrote its first event: a program or, for imports, the file as a URL.",
        client: "Client program that holds the conversation; null when not said.",
        client_version: "Version of that program; null when not said.",
        tool: "Agent tool it was held with; null when not said.",
        provider: "Provider of its model; null when not said.",
        model: "Model it was opened with; v_messages says which one spoke. Null when not said.",
        cwd: "Working directory; null when not said.",
        branch: "Branch of the repository; null when not said.",
        session: "Session it was opened in; null when not said.",
        parent_thread_id: "Thread it was forked from or works for; null for a root.",
        parent_relation: "What it is to that thread: fork, or sub-agent; null when not said.",
        opened_at: "The earliest time that an entry of it gives, epoch milliseconds; null when none gives one.",
        last_activity_at:
          "The latest time that an entry of it gives, never in the future of when the log took it, epoch milliseconds; null when none gives one.",
        listed_at: "The same, with the file's time where no entry gives one.",
        archived_at: "When it was archived, epoch milliseconds; null while it is not.",
        deleted_at: "When it was deleted, epoch milliseconds; null while it is not. Lists and searches leave it out.",
        expires_at: "From when on lists and searches leave it out, epoch milliseconds; null when it does not expire.",
        messages: "Number of its messages of all kinds; what it copied from another thread counts there.",
        prompts: "Of these, prompts of persons, and tasks that an agent gave.",
        answers: "Of these, answers of models.",
        tool_calls: "Number of its tool calls; what it copied from another thread counts there.",
        models: "Models that spoke in it, in the order of their names; null when none is said.",
        input_tokens:
          "Tokens sent in it, those from the provider's cache among them; null when not said. Sub-agents: v_thread_tokens.",
        output_tokens: "Tokens received in it; null when not said.",
        cost_usd: "Cost that its entries report; null when none does. Estimates: v_thread_costs.",
        errors: "Number of its tool calls that failed.",
        files: "Number of files that its tool calls read or wrote, as the arguments name them.",
        first_sequence: "Stream sequence of its first event.",
        last_sequence: "Stream sequence of its last event.",
        dead_letters: "Number of its events that a projection refused; 0 when the rows are whole.",
        thread_number: "Number of the thread in this database: for joins with the views of sums by time.",
      },
      select: `SELECT n.text, ${nameText("t.tenant")}, coalesce(t.title, ${summarized}), ${openingOf}, ${nameText("t.source")}, ${nameText("t.client")},
        ${nameText("t.client_version")}, ${nameText("t.tool")}, ${nameText("t.provider")}, ${nameText("t.model")},
        ${nameText("t.cwd")}, ${nameText("t.branch")}, ${nameText("t.session")}, ${nameText("t.parent_thread_id")},
        t.parent_relation, t.opened_at, t.last_activity_at, t.listed_at, t.archived_at, nullif(t.deleted_at, 0), nullif(t.expires_at, 0), ${messagesOf()},
        ${ofKinds("prompt", "task")}, ${ofKinds("answer")},
        (SELECT coalesce(sum(a.calls), 0) FROM call_activity a WHERE ${own("a")}),
        (SELECT group_concat(text, ', ') FROM (SELECT DISTINCT m.text FROM message_activity a JOIN names m ON m.name = a.model
          WHERE ${own("a")} ORDER BY m.text)),
        ${spentIn("sum(a.uncached_tokens + a.cache_read_tokens + a.cache_write_tokens)")},
        ${spentIn("sum(a.visible_tokens + a.reasoning_tokens)")},
        ${spentIn("sum(CASE a.is_priced WHEN 1 THEN a.cost_nanos END) / 1e9")},
        (SELECT coalesce(sum(a.errors), 0) FROM call_activity a WHERE ${own("a")}),
        (SELECT count(DISTINCT c.path) FROM tool_calls c WHERE ${own("c")} AND ${countsHere("c")}),
        t.first_sequence, t.last_sequence,
        (SELECT count(DISTINCT d.sequence) FROM dead_letters d WHERE d.history_id = t.thread_id AND d.tenant = t.tenant
          AND ${nameText("d.kind")} = 'thread'), t.thread_id
        FROM threads t LEFT JOIN names n ON n.name = t.thread_id`,
    },
    {
      name: "v_thread_tags",
      doc: "One row per tag that a thread has now.",
      columns: {
        thread_id: "Thread that has the tag.",
        tenant: "Tenant the thread belongs to.",
        tag: "The tag itself.",
        tagged_at: "When it was tagged, epoch milliseconds.",
        sequence: "Stream sequence of the event that tagged it.",
      },
      select: `SELECT n.text, ${nameText("g.tenant")}, ${nameText("g.tag")}, g.changed_at, g.sequence
        FROM thread_tags g LEFT JOIN names n ON n.name = g.thread_id WHERE g.present = 1`,
    },
  ],
  handle: (event, facts) =>
    event.history.kind !== "thread"
      ? []
      : [
          {
            table: "threads",
            row: {
              thread_id: event.history.id,
              tenant: event.history.tenant,
              first_sequence: event.sequence,
              last_sequence: event.sequence,
              source: event.source,
              opened_at: saidAt(facts),
              last_activity_at: saidAt(facts),
              listed_at: saidAt(facts) ?? event.occurredAt,
            },
          },
          ...facts.flatMap((fact) => {
            if (fact._tag === "ThreadDescribed") return described(event, fact);
            if (fact._tag === "VisibilityChanged") return [visibility(event, fact)];
            return fact._tag === "MessageSaid" ? opening(event, fact) : [];
          }),
        ],
};
