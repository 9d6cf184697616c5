/**
 * The way of a conversation: which line is which message's, where it was taken up at an earlier point, what was compacted.
 *
 * Room: projections.
 *
 * Formats that write a tree refer to lines, and a message may be several; a summary titles the thread of a line that may
 * stand in any file, imported before or after. So lines are rows of their own, merged from whoever tells of them.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";
import { indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import { head, maxTitle } from "./text.ts";

/** The message that a line belongs to, as text: the line's own id where it is a message's. */
const messageOf = (line: string): string => `coalesce((SELECT ${idText("l.message_id")} FROM message_lines l
  WHERE l.line_id = ${line} AND l.tenant = m.tenant), ${idText(line)})`;
/** Message id that a message of `messages m` follows. */
export const parentId = `CASE WHEN m.parent_message_id IS NOT NULL THEN ${messageOf("m.parent_message_id")} END`;

const pathsOf = "FROM message_paths p WHERE p.thread_id = m.thread_id AND p.tenant = m.tenant";
/**
 * True when a message of `messages m` is not on the current path nor on the piece of an older one that it goes on from.
 * Paths are few: of a thread that was never taken up at an earlier point nothing is asked. One that goes on from what is
 * not here goes on from all before it.
 */
export const isAbandoned = `CASE WHEN m.sidechain = 1 OR NOT EXISTS (SELECT 1 ${pathsOf}) THEN 0 ELSE NOT EXISTS (
  WITH RECURSIVE live(path, upto) AS (
    SELECT coalesce((SELECT p.path ${pathsOf} AND p.current_since IS NOT NULL ORDER BY p.current_since DESC LIMIT 1), 0),
      ${Number.MAX_SAFE_INTEGER}
    UNION
    SELECT coalesce(o.path, iif(o.message_id IS NULL, p.path - 1, 0)),
      coalesce(o.sequence - coalesce(p.inclusive, 0), ${Number.MAX_SAFE_INTEGER})
    FROM live JOIN message_paths p ON p.thread_id = m.thread_id AND p.tenant = m.tenant AND p.path = live.path
    LEFT JOIN messages o ON o.thread_id = m.thread_id AND o.tenant = m.tenant AND o.second_hand = m.second_hand
      AND o.message_id = coalesce((SELECT l.message_id FROM message_lines l WHERE l.line_id = p.from_id
        AND l.tenant = m.tenant), p.from_id)
    WHERE p.from_id IS NOT NULL
  ) SELECT 1 FROM live WHERE live.path = coalesce(m.path, 0) AND m.sequence <= live.upto) END`;

/** A title stands at its line, where its thread finds it, and in a row of its own, which is searched. */
const titled = (line_id: string, { history: { tenant }, sequence }: RecordedEvent, title: string) => [
  { table: "message_lines", row: { line_id, tenant, title } },
  { table: "line_titles", row: { line_id, tenant, title, sequence } },
];

/** The rows of what stands between messages. */
const besideMessages = (event: RecordedEvent, fact: Fact, ordinal: number): ReadonlyArray<Change> => {
  const { id: thread_id, tenant } = event.history;
  switch (fact._tag) {
    case "LineKnown":
      return [
        {
          table: "message_lines",
          row: { line_id: fact.lineId, tenant, thread_id, message_id: fact.messageId },
        },
      ];
    case "LineTitled":
      return titled(fact.lineId, event, head(fact.title, maxTitle));
    case "PathTaken":
      return [
        {
          table: "message_paths",
          row: {
            thread_id,
            tenant,
            path: fact.path,
            from_id: fact.from,
            inclusive: fact.isInclusive === true ? 1 : undefined,
            current_since: fact.isCurrent ? event.sequence : undefined,
          },
        },
      ];
    case "Compacted":
      return [
        {
          table: "compactions",
          row: {
            sequence: event.sequence,
            ordinal,
            thread_id,
            tenant,
            trigger: fact.trigger,
            tokens_before: fact.tokensBefore,
            summary: fact.summary === undefined ? undefined : head(fact.summary),
            occurred_at: fact.at,
          },
        },
      ];
    default:
      return [];
  }
};

export const paths: Projection = {
  name: "paths",
  version: 6,
  doc: "The way of a conversation: its lines, where it was taken up at an earlier point, and compactions.",
  tables: [
    {
      name: "message_lines",
      doc: "One row per line of a transcript that other lines refer to, where its id is not its message's.",
      key: ["line_id", "tenant"],
      clustered: true,
      columns: {
        line_id: { type: "id", doc: "Line." },
        tenant: { type: "name", doc: "Tenant." },
        thread_id: { type: "name", merge: "first", doc: "Thread; null while only its title is known." },
        message_id: { type: "id", merge: "first", doc: "Message it is, or stands after." },
        title: { type: "text", doc: "Title that a summary gave to the thread of this line." },
      },
      indexes: [{ on: ["thread_id", "tenant"], where: "title IS NOT NULL" }],
    },
    {
      name: "line_titles",
      doc: "One row per line to whose thread a summary gave a title, for search; the line may not be known yet.",
      key: ["line_id", "tenant"],
      columns: {
        line_id: { type: "id", doc: "Line." },
        tenant: { type: "name", doc: "Tenant." },
        title: { type: "text", doc: "Title." },
        sequence: { type: "integer", doc: "Sequence of the event that gave it." },
      },
      fullText: { of: (row) => indexedText(`${row}.title`), when: (row) => `(${row}.title IS NOT NULL)` },
    },
    {
      name: "message_paths",
      doc: "One row per time that a conversation was taken up at an earlier point.",
      key: ["thread_id", "tenant", "path"],
      clustered: true,
      columns: {
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        path: { type: "integer", doc: "Number, from 1." },
        from_id: { type: "id", merge: "first", doc: "Line or message it follows; null for the beginning." },
        inclusive: { type: "integer", merge: "first", doc: "1 when that is left too." },
        current_since: { type: "integer", doc: "Sequence at which it became the current one." },
      },
      indexes: [["thread_id", "tenant", "current_since"]],
    },
    {
      name: "compactions",
      doc: "One row per compaction.",
      key: ["sequence", "ordinal"],
      columns: {
        sequence: { type: "integer", doc: "Sequence of the event." },
        ordinal: { type: "integer", doc: "Place in the event, from 0." },
        thread_id: { type: "name", doc: "Thread." },
        tenant: { type: "name", doc: "Tenant." },
        trigger: { type: "name", doc: "What began it." },
        tokens_before: { type: "integer", doc: "Tokens of the context before." },
        summary: { type: "text", doc: "What stands for what was said." },
        occurred_at: { type: "integer", doc: "Epoch milliseconds; null where no record has a time." },
      },
      indexes: [["thread_id", "sequence"]],
      fullText: { of: (row) => indexedText(`${row}.summary`), when: (row) => `(${row}.summary IS NOT NULL)` },
    },
  ],
  views: [
    {
      name: "v_compactions",
      doc: "One row per compaction: where what was said so far was replaced by a summary for the model.",
      columns: {
        thread_id: "Thread it happened in.",
        tenant: "Tenant the thread belongs to.",
        sequence: "Stream sequence of its event: it stands between the messages before and after.",
        trigger: "What began it, in the format's word: auto, manual; null when not said.",
        tokens_before: "Tokens of the context before it; null when not said.",
        summary: "The summary, cut after 1 MiB; null where it stands in a message of its own or is not said.",
        occurred_at: "When it happened, epoch milliseconds; null where no record has a time.",
      },
      select: `SELECT t.text, ${nameText("c.tenant")}, c.sequence, ${nameText("c.trigger")}, c.tokens_before, c.summary,
        c.occurred_at FROM compactions c LEFT JOIN names t ON t.name = c.thread_id`,
    },
  ],
  facts: ["PathTaken", "LineKnown", "LineTitled", "Compacted"],
  handle: (event, facts) => facts.flatMap((fact, ordinal) => besideMessages(event, fact, ordinal)),
};
