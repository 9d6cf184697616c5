/**
 * Messages that agents have sent to each other.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { AgentWrote } from "../src/domain/Fact.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

const wrote = (event: RecordedEvent, fact: AgentWrote): Change => ({
  table: "agent_messages",
  row: {
    sequence: event.sequence,
    message_id: event.id,
    tenant: event.history.tenant,
    session_id: event.history.id,
    sender: fact.from,
    recipient: fact.to,
    in_reply_to: fact.inReplyTo,
    correlation_id: event.correlationId,
    sent_at: event.occurredAt,
    body: fact.body,
  },
});

export const agentMessages: Projection = {
  name: "agent_messages",
  version: 2,
  doc: "Messages between agents.",
  tables: [
    {
      name: "agent_messages",
      doc: "One row per message.",
      key: ["sequence"],
      columns: {
        sequence: { type: "integer", doc: "Sequence of its event." },
        message_id: { type: "text", doc: "Message." },
        tenant: { type: "name", doc: "Tenant." },
        session_id: { type: "name", doc: "Session of the sender." },
        sender: { type: "name", doc: "Sender." },
        recipient: { type: "name", doc: "Recipient." },
        in_reply_to: { type: "text", doc: "Message that it answers." },
        correlation_id: { type: "text", doc: "First message of the exchange." },
        sent_at: { type: "integer", doc: "Epoch milliseconds." },
        body: { type: "text", doc: "Body as JSON." },
      },
    },
  ],
  views: [
    {
      name: "v_agent_messages",
      doc: "One row per message that an agent has sent to another, a reply too.",
      columns: {
        sequence: "Stream sequence of its event.",
        message_id: "Id of the message, which is that of its event.",
        tenant: "Tenant it belongs to.",
        session_id: "Session of the sender.",
        sender: "Name of the agent that wrote it.",
        recipient: "Name of the agent that it was written to.",
        in_reply_to: "Id of the message that it answers; null when it answers none.",
        correlation_id: "Id of the message with which the exchange began.",
        sent_at: "When it was sent, epoch milliseconds.",
        body: "What it says, as JSON.",
      },
      select: `SELECT m.sequence, m.message_id, ${nameText("m.tenant")}, ${nameText("m.session_id")}, ${nameText("m.sender")},
        ${nameText("m.recipient")}, m.in_reply_to, m.correlation_id, m.sent_at, m.body FROM agent_messages m`,
    },
  ],
  facts: ["AgentWrote"],
  handle: (event, facts) => facts.flatMap((fact) => (fact._tag === "AgentWrote" ? [wrote(event, fact)] : [])),
};
