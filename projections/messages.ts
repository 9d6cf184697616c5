/**
 * Messages: what persons, models and tools said, with their parts and a full-text index over them.
 *
 * Room: projections.
 *
 * Text is stored once: where the event's body spells it, as its place in the ledger, else in the parts. A message's
 * text is put together when it is read.
 *
 * Decision: a thread of nothing but texts took 2.86 times its events' bytes with the text in the parts as well, 1.79
 * times without it.
 */
import type { Part } from "../src/domain/thread/Content.ts";
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { utf8Length } from "../src/domain/Json.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { kindOf } from "../src/domain/thread/MessageKind.ts";
import { type Change, firstHandOnly, nameText, type Projection } from "../src/projection/Projection.ts";
import type { Quoting } from "../src/projection/fold/Quote.ts";
import { indexedText } from "../src/projection/write/SearchWordsSqlite.ts";
import { isAbandoned, parentId } from "./paths.ts";
import { countsHere, elsewhere, twinCells, twinColumns, twinIndex } from "./activity/counted.ts";
import { messageActivityTable, messageActivityViews, messageUpkeep } from "./activity/messages.ts";
import { hasText, textCells, textColumns, textOf } from "./text.ts";

/** Size of what was handed over, bytes; undefined where the part only refers to it. */
const bytesOf = ({ blob, data }: Extract<Part, { readonly type: "image" | "file" }>): number | undefined =>
  blob?.bytes ?? (data == null ? undefined : utf8Length(data));

/** Content of a part beside its kind: its text, and what it refers to. Tool arguments are in `tool_calls`. */
const contentOf = (
  part: Part,
): { readonly text?: string; readonly bytes?: number | undefined; readonly refers?: string | null | undefined } => {
  switch (part.type) {
    case "text":
    case "thinking":
      return { text: part.text, bytes: part.blob?.bytes ?? utf8Length(part.text) };
    case "tool_result":
      return { text: part.text, bytes: part.bytes ?? part.blob?.bytes ?? utf8Length(part.text), refers: part.callId };
    case "tool_use":
      return { refers: part.callId };
    case "image":
      return { refers: part.url, bytes: bytesOf(part) ?? 0 };
    case "file":
      return { refers: part.path, bytes: bytesOf(part) };
    case "other":
      return { refers: part.kind };
  }
};

type Said = Extract<Fact, { readonly _tag: "MessageSaid" }>;

/** The rows of one message or one segment of it. */
const changesOf = (
  event: RecordedEvent,
  said: Said,
  { place, quoting }: { readonly place: number; readonly quoting: Quoting },
): ReadonlyArray<Change> => {
  const { id: thread_id, tenant } = event.history;
  const { messageId: message_id, segment } = said;
  const { sequence } = event;
  const second_hand = said.secondHand === true ? 1 : 0;
  // Cell by cell, because rows that are put together of others take twice the memory until they are packed.
  const changes: Array<Change> = [
    {
      table: "messages",
      row: {
        thread_id,
        tenant,
        second_hand,
        message_id,
        sequence,
        ordinal: place === 0 ? undefined : place,
        role: said.role,
        kind: kindOf(said),
        author: said.author,
        model: said.model,
        provider: said.provider,
        tool: said.tool,
        parent_message_id: said.parentMessageId,
        stop_reason: said.stopReason,
        cwd: said.cwd,
        branch: said.branch,
        sidechain: said.isSidechain === true ? 1 : 0,
        meta: said.isMeta === true ? 1 : 0,
        copied_from: said.copyOf,
        ...twinCells(said.twin, sequence),
        path: said.path,
        occurred_at: said.at,
        assumed_at: said.at === undefined ? event.occurredAt : undefined,
        event_sequence: sequence,
      },
    },
  ];
  let ordinal = 0;
  for (const part of said.parts) {
    const { text, bytes, refers } = contentOf(part);
    const cells = textCells(text, { sequence, quoting });
    changes.push({
      table: "message_parts",
      row: {
        thread_id,
        tenant,
        second_hand,
        message_id,
        segment,
        ordinal: ordinal++,
        sequence,
        type: part.type,
        text: cells.text,
        quoted_in: cells.quoted_in,
        quoted_at: cells.quoted_at,
        quoted_bytes: cells.quoted_bytes,
        bytes,
        refers_to: refers?.slice(0, 2000),
      },
    });
  }
  // The same segment again may have fewer parts than before.
  changes.push({
    table: "message_parts",
    where: { thread_id, tenant, second_hand, message_id, segment },
    from: { column: "ordinal", value: ordinal },
  });
  return changes;
};

const partsOfMessage = `p.thread_id = m.thread_id AND p.tenant = m.tenant AND p.second_hand = m.second_hand AND p.message_id = m.message_id`;

/** SQL: messages that count: first-hand ones, and of what an agent copied from another thread those that it does not hold. */
export const messageCounts = countsHere;

/** A message's text. The inner SELECT gives the order (SQLite keeps it for group_concat), segments by their first sequence. */
const messageText = `(SELECT group_concat(${textOf("part")}, char(10)) FROM (
    SELECT p.text, p.quoted_in, p.quoted_at, p.quoted_bytes, min(p.sequence) OVER (PARTITION BY p.segment) AS begun,
      p.segment, p.ordinal, p.type
    FROM message_parts p WHERE ${partsOfMessage} ORDER BY begun, p.segment, p.ordinal
  ) part WHERE part.type IN ('text', 'tool_result') AND ${hasText("part")})`;

const isFileName = (row: string): string => `(${row}.type = 'file' AND ${row}.refers_to IS NOT NULL)`;
const isSearched = (row: string): string => `(${hasText(row)} OR ${isFileName(row)})`;
const searchedText = (row: string): string =>
  indexedText(`coalesce(${textOf(row)}, CASE WHEN ${isFileName(row)} THEN ${row}.refers_to END)`);

/** The thread in which a copy counts: the one that it names, else the first that holds the same. */
const origin = `coalesce(m.copied_from, CASE WHEN m.elsewhere = 2 THEN (SELECT o.thread_id FROM messages o
  WHERE o.twin = m.twin AND o.tenant = m.tenant AND o.second_hand = m.second_hand AND o.twin_rank < m.twin_rank
  ORDER BY o.twin_rank LIMIT 1) END)`;

const messageKey = {
  thread_id: { type: "name", doc: "Thread." },
  tenant: { type: "name", doc: "Tenant." },
  second_hand: { type: "integer", doc: "1 when told by a second witness." },
  message_id: { type: "id", doc: "Message id, unique in its thread." },
} as const;

export const messages: Projection = {
  name: "messages",
  version: 15,
  doc: "What was said: messages, their parts, and the full-text index over the parts.",
  tables: [
    {
      name: "messages",
      doc: "One row per message; the same message id again replaces what it says anew.",
      key: ["thread_id", "tenant", "second_hand", "message_id"],
      clustered: true,
      columns: {
        ...messageKey,
        sequence: { type: "integer", merge: "first", doc: "Sequence of the message's first event." },
        ordinal: {
          type: "integer",
          merge: { firstOf: "sequence" },
          doc: "Place among the messages of its first event; null for the first of them.",
        },
        role: { type: "name", doc: "Role." },
        kind: { type: "name", doc: "What it is, see v_messages." },
        author: { type: "name", doc: "Speaker's own name." },
        model: { type: "name", doc: "Model." },
        provider: { type: "name", doc: "Provider." },
        tool: { type: "name", doc: "Agent tool." },
        parent_message_id: { type: "id", merge: "first", doc: "Message it follows, or a line of it." },
        stop_reason: { type: "name", doc: "Why the model stopped." },
        cwd: { type: "name", doc: "Working directory." },
        branch: { type: "name", doc: "Branch." },
        sidechain: { type: "integer", doc: "1 on a side chain." },
        meta: { type: "integer", doc: "1 for words of the harness." },
        path: { type: "integer", doc: "Path of the conversation; null on the first." },
        copied_from: { type: "name", doc: "Thread of which the entry says that it was copied from there." },
        occurred_at: { type: "integer", merge: "first", doc: "When it was said, epoch milliseconds." },
        assumed_at: { type: "integer", merge: "first", doc: "Time of its first event, where no record has one." },
        event_sequence: { type: "integer", doc: "Sequence of the message's latest event." },
        ...twinColumns,
        elsewhere,
      },
      indexes: [
        ["thread_id", "sequence"],
        ["occurred_at"],
        { on: ["copied_from", "message_id"], where: "copied_from IS NOT NULL" },
        twinIndex,
      ],
    },
    {
      name: "message_parts",
      doc: "One row per part of a message.",
      key: ["thread_id", "tenant", "second_hand", "message_id", "segment", "ordinal"],
      columns: {
        ...messageKey,
        segment: { type: "text", doc: "Piece of the message; empty for a whole one." },
        ordinal: { type: "integer", doc: "Place in its segment, from 0." },
        sequence: { type: "integer", merge: "first", doc: "Sequence of the event that brought the part first." },
        type: { type: "text", doc: "Kind of part." },
        ...textColumns,
        bytes: { type: "integer", merge: "replace", doc: "True size of its content in bytes." },
        refers_to: { type: "text", merge: "replace", doc: "Call id, path, URL or kind." },
      },
      fullText: { of: searchedText, when: isSearched },
    },
    messageActivityTable,
  ],
  views: [
    {
      name: "v_messages",
      doc: "One row per message: what a person, a model or a tool said in a thread.",
      columns: {
        thread_id: "Thread the message was said in.",
        tenant: "Tenant the thread belongs to.",
        message_id: "Id of the message, unique in its thread.",
        sequence: "Stream sequence of the message's first event; orders the messages of a thread.",
        ordinal: "Place of the message in that event, from 0: orders messages of one sequence.",
        role: "Role, in the format's own word: user, assistant, tool, system …",
        kind: "prompt of a person, command of a person to the program, task from an agent to its sub-agent, answer of a model, tool_result, notice of the program, or instructions.",
        author: "The speaker's own name; null when not said.",
        text: "What was said and what tools answered, parts joined by line feeds; thoughts are in v_message_parts only.",
        model: "Model that spoke; null when no model did or it was not said.",
        provider: "Provider of the model; null when not said.",
        tool: "Agent tool that brought the message; null when not said.",
        parent_message_id: "Message it follows, in formats that say so; else null. Joins message_id of the thread.",
        stop_reason: "Why the model stopped, in the provider's word; null when not said.",
        cwd: "Working directory; null when not said.",
        branch: "Branch of the repository; null when not said.",
        is_sidechain: "1 for a sub-agent's words inside its parent's transcript, else 0.",
        is_meta: "1 for words of the harness rather than of a person, else 0.",
        is_abandoned:
          "1 when the conversation was taken up at an earlier point and goes on without it (an edit, a rewind), else 0.",
        is_copied:
          "1 when the agent copied it from another thread that is here too and counts it; v_threads does not count it here.",
        copied_from:
          "Thread it was copied from (a fork, a sub-agent, a resumed session), whether that is here or not; else null.",
        occurred_at: "When it was said, epoch milliseconds; null where no record has a time.",
        assumed_at:
          "Where no record has a time: that of the nearest entry before it that has one, else of the first after it, else of the file; null otherwise.",
      },
      select: `SELECT t.text, ${nameText("m.tenant")}, ${idText("m.message_id")}, m.sequence, coalesce(m.ordinal, 0), ${nameText("m.role")},
        ${nameText("m.kind")}, ${nameText("m.author")}, ${messageText}, o.text, ${nameText("m.provider")}, ${nameText("m.tool")},
        ${parentId}, ${nameText("m.stop_reason")}, ${nameText("m.cwd")}, ${nameText("m.branch")},
        m.sidechain, m.meta, ${isAbandoned}, (m.elsewhere IS 2), ${nameText(origin)}, m.occurred_at, m.assumed_at
        FROM messages m LEFT JOIN names t ON t.name = m.thread_id LEFT JOIN names o ON o.name = m.model
        WHERE m.elsewhere IS NOT 1`,
    },
    {
      name: "v_message_parts",
      doc: "One row per part of a message: text, thinking, image, file, tool use or tool result, in order.",
      columns: {
        thread_id: "Thread the message was said in.",
        tenant: "Tenant the thread belongs to.",
        message_id: "Message the part belongs to.",
        segment: "Piece of the message that brought the part, in formats that write a message in pieces; else empty.",
        segment_sequence: "Stream sequence of that piece's first event: orders the pieces of a message.",
        ordinal: "Place of the part in its piece, from 0.",
        type: "text, thinking, image, file, tool_use, tool_result, or other.",
        text: "Its text, cut after 1 MiB so that one part cannot fill a reader's memory; v_events has all of it.",
        content_bytes: "True size of the content in bytes of UTF-8; larger than the text's when that was cut.",
        refers_to: "Call id of a tool use or result, path of a file, URL of an image, or the unknown kind.",
        sequence: "Stream sequence of the event that brought the part first.",
      },
      select: `SELECT t.text, ${nameText("p.tenant")}, ${idText("p.message_id")}, p.segment,
        (SELECT min(q.sequence) FROM message_parts q WHERE q.thread_id = p.thread_id AND q.tenant = p.tenant
          AND q.second_hand = p.second_hand AND q.message_id = p.message_id AND q.segment = p.segment),
        p.ordinal, p.type, ${textOf("p")}, coalesce(p.bytes, 0), p.refers_to, p.sequence
        FROM message_parts p LEFT JOIN names t ON t.name = p.thread_id
        WHERE ${firstHandOnly({ table: "messages", alias: "p" })}`,
    },
    ...messageActivityViews,
  ],
  upkeep: messageUpkeep,
  facts: ["MessageSaid"],
  handle: (event, facts, quoting) => {
    let place = 0;
    return facts.flatMap((fact) =>
      fact._tag === "MessageSaid" ? changesOf(event, fact, { place: place++, quoting }) : [],
    );
  },
};
