/**
 * Entries beside the conversation: those that no interpreter understands yet, and notes worth reading.
 *
 * Room: projections.
 */
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";
import { head } from "./text.ts";

const place = {
  sequence: { type: "integer", doc: "Sequence of the event." },
  ordinal: { type: "integer", doc: "Place in the event, from 0." },
  history_id: { type: "name", doc: "History." },
  tenant: { type: "name", doc: "Tenant." },
} as const;

export const entries: Projection = {
  name: "entries",
  version: 3,
  doc: "Entries kept as unknown, and notes beside the messages.",
  tables: [
    {
      name: "unknown_entries",
      doc: "One row per fact without an interpreter.",
      key: ["sequence", "ordinal"],
      clustered: true,
      columns: {
        ...place,
        kind: { type: "name", doc: "Kind of history." },
        what: { type: "name", doc: "What it is." },
      },
      indexes: [["what"]],
    },
    {
      name: "notes",
      doc: "One row per note that has words.",
      key: ["sequence", "ordinal"],
      columns: { ...place, kind: { type: "name", doc: "Kind of note." }, text: { type: "text", doc: "Its words." } },
      indexes: [["history_id", "sequence"]],
    },
  ],
  views: [
    {
      name: "v_unknown",
      doc: "One row per event or entry that is kept as it came, because nothing here understands it yet.",
      columns: {
        sequence: "Stream sequence of the event; v_events has all of it.",
        thread_id: "Thread it stands in; null when its history is no thread.",
        kind: "Kind of its history: thread, task, session, source or config.",
        subject: "Id of its history.",
        tenant: "Tenant it belongs to.",
        what: "What is not understood: an event type, a format, an entry's kind.",
      },
      select: `SELECT u.sequence, CASE ${nameText("u.kind")} WHEN 'thread' THEN ${nameText("u.history_id")} END, ${nameText("u.kind")},
        ${nameText("u.history_id")}, ${nameText("u.tenant")}, ${nameText("u.what")} FROM unknown_entries u`,
    },
    {
      name: "v_notes",
      doc: "One row per note beside the messages: a thought, a warning, the summary of a compaction.",
      columns: {
        sequence: "Stream sequence of the event that holds it.",
        thread_id: "Thread it stands in.",
        tenant: "Tenant it belongs to.",
        kind: "Kind of note, in the format's word.",
        text: "Its words, cut after 1 MiB.",
      },
      select: `SELECT o.sequence, n.text, ${nameText("o.tenant")}, ${nameText("o.kind")}, o.text
        FROM notes o LEFT JOIN names n ON n.name = o.history_id`,
    },
  ],
  facts: ["NotUnderstood", "Noted"],
  handle: (event, facts) =>
    facts.flatMap((fact, ordinal): ReadonlyArray<Change> => {
      const where = { sequence: event.sequence, ordinal, history_id: event.history.id, tenant: event.history.tenant };
      if (fact._tag === "NotUnderstood") {
        return [{ table: "unknown_entries", row: { ...where, kind: event.history.kind, what: head(fact.what, 200) } }];
      }
      if (fact._tag !== "Noted" || fact.text === undefined || fact.text === "") return [];
      return [{ table: "notes", row: { ...where, kind: fact.kind, text: head(fact.text) } }];
    }),
};
