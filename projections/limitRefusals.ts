/**
 * Calls that limits have refused: which limit, which tool, whose, and how many.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { CallsRefused } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const refused = (event: RecordedEvent, fact: CallsRefused): Change => ({
  table: "limit_refusals",
  row: {
    sequence: event.sequence,
    tenant: event.history.tenant,
    session_id: event.history.id,
    limit_name: fact.limit,
    tool: fact.tool,
    user: fact.user,
    calls: fact.count,
    first_at: fact.firstAt,
    last_at: fact.lastAt,
  },
});

export const limitRefusals: Projection = {
  name: "limit_refusals",
  version: 1,
  doc: "Calls that limits have refused.",
  tables: [
    {
      name: "limit_refusals",
      doc: "One row per session, limit, tool and while.",
      key: ["sequence"],
      columns: {
        sequence: { type: "integer", doc: "Sequence of its event." },
        tenant: { type: "name", doc: "Tenant." },
        session_id: { type: "name", doc: "Session." },
        limit_name: { type: "name", doc: "Limit." },
        tool: { type: "name", doc: "Tool." },
        user: { type: "name", doc: "User." },
        calls: { type: "integer", doc: "How many." },
        first_at: { type: "integer", doc: "Epoch milliseconds." },
        last_at: { type: "integer", doc: "Epoch milliseconds." },
      },
    },
  ],
  views: [
    {
      name: "v_limit_refusals",
      doc: "Calls that a limit refused, so that the tool has not heard of them: one row for all of one session, limit and tool in a while of ten seconds.",
      columns: {
        sequence: "Stream sequence of the event that tells of them.",
        tenant: "Tenant it belongs to.",
        session_id: "Session in which they were made.",
        limit_name: "Name of the limit in the configuration.",
        tool_name: "Tool that was called.",
        user: "User whose calls they were; null where not recorded.",
        calls: "How many there were.",
        first_at: "When the first of them was refused, epoch milliseconds.",
        last_at: "When the last of them was refused, epoch milliseconds.",
      },
      select: `SELECT r.sequence, ${nameText("r.tenant")}, ${nameText("r.session_id")}, ${nameText("r.limit_name")},
        ${nameText("r.tool")}, ${nameText("r.user")}, r.calls, r.first_at, r.last_at FROM limit_refusals r`,
    },
  ],
  facts: ["CallsRefused"],
  handle: (event, facts) => facts.flatMap((fact) => (fact._tag === "CallsRefused" ? [refused(event, fact)] : [])),
};
