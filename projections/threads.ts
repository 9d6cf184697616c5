/**
 * Threads: one row per conversation, and its tags.
 *
 * Room: projections.
 *
 * The view counts what `messages` and `toolCalls` hold, so that no number is stored twice.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { MessageSaid, ThreadDescribed } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";
import { head } from "./text.ts";

/** Longest title, in UTF-16 units: a program that puts a whole prompt there would make listings unreadable. */
const maxTitle = 1000;
/** What a listing shows of a thread that has no title. */
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
        title: fact.title === undefined ? undefined : head(fact.title, maxTitle),
        tool: fact.tool,
        client: fact.client?.name,
        client_version: fact.client?.version,
        provider: fact.provider,
        model: fact.model,
        cwd: fact.cwd,
        branch: fact.branch,
        session: fact.session,
        parent_thread_id: fact.parentThreadId,
        archived_at: fact.archived === true ? event.occurredAt : undefined,
      },
    },
    ...(fact.tagsRemoved ?? []).map(tag(0)),
    ...(fact.tagsAdded ?? []).map(tag(1)),
  ];
};

/** The first words of a person: what a thread without a title is known by. Words of the program do not count. */
const opening = (event: RecordedEvent, fact: MessageSaid): ReadonlyArray<Change> => {
  if (fact.role !== "user" || fact.isMeta === true || fact.isSidechain === true) return [];
  const words = fact.parts.find((part) => part.type === "text" && part.text.trim() !== "");
  if (words?.type !== "text") return [];
  const { id: thread_id, tenant } = event.history;
  return [{ table: "threads", row: { thread_id, tenant, opening: head(words.text.trim(), maxOpening) } }];
};

const own = (alias: string) => `${alias}.thread_id = t.thread_id AND ${alias}.tenant = t.tenant`;

/** First-hand rows, or second-hand ones where nobody told first-hand: the smallest flag there is. */
const witnessed = (table: string, also = "") =>
  `(SELECT count(*) FROM ${table} c WHERE ${own("c")} AND c.second_hand = (SELECT min(w.second_hand) FROM ${table} w WHERE ${own("w")})${also})`;

export const threads: Projection = {
  name: "threads",
  version: 1,
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
        opened_at: { type: "integer", merge: "min", doc: "Earliest event, epoch milliseconds." },
        last_activity_at: { type: "integer", merge: "max", doc: "Latest event, epoch milliseconds." },
        last_sequence: { type: "integer", merge: "max", doc: "Sequence of its last event." },
        archived_at: { type: "integer", doc: "When it was archived, epoch milliseconds." },
      },
      indexes: [["last_activity_at", "first_sequence"], ["parent_thread_id"]],
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
        opening: "First words of a person in it, at most 200 characters; null while nobody spoke.",
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
        opened_at: "When its earliest event happened, epoch milliseconds.",
        last_activity_at: "When its latest event happened, epoch milliseconds.",
        archived_at: "When it was archived, epoch milliseconds; null while it is not.",
        messages: "Number of its messages.",
        tool_calls: "Number of its tool calls.",
        first_sequence: "Stream sequence of its first event.",
        last_sequence: "Stream sequence of its last event.",
        dead_letters: "Number of its events that a projection refused; 0 when the rows are whole.",
      },
      select: `SELECT n.text, ${nameText("t.tenant")}, t.title, t.opening, ${nameText("t.source")}, ${nameText("t.client")},
        ${nameText("t.client_version")}, ${nameText("t.tool")}, ${nameText("t.provider")}, ${nameText("t.model")},
        ${nameText("t.cwd")}, ${nameText("t.branch")}, ${nameText("t.session")}, ${nameText("t.parent_thread_id")},
        t.opened_at, t.last_activity_at, t.archived_at, ${witnessed("messages")}, ${witnessed("tool_calls")},
        t.first_sequence, t.last_sequence,
        (SELECT count(DISTINCT d.sequence) FROM dead_letters d WHERE d.history_id = t.thread_id AND d.tenant = t.tenant
          AND ${nameText("d.kind")} = 'thread')
        FROM threads t JOIN names n ON n.name = t.thread_id`,
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
        FROM thread_tags g JOIN names n ON n.name = g.thread_id WHERE g.present = 1`,
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
              opened_at: event.occurredAt,
              last_activity_at: event.occurredAt,
            },
          },
          ...facts.flatMap((fact) => {
            if (fact._tag === "ThreadDescribed") return described(event, fact);
            return fact._tag === "MessageSaid" ? opening(event, fact) : [];
          }),
        ],
};
