/**
 * Meaning of an event, in few words, whatever its format: for an auditor, of whom most rows say `thread.entry_recorded`.
 *
 * Room: projections.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { kindOf } from "../src/domain/thread/MessageKind.ts";

const wordOf = (fact: Fact): string => {
  switch (fact._tag) {
    case "MessageSaid":
      return kindOf(fact);
    case "ToolWasCalled":
      return "tool_called";
    case "ToolHasReturned":
      return "tool_returned";
    case "TokensUsed":
      return "tokens_used";
    case "FileWasRead":
      return "file_read";
    case "ResponseWasReused":
      return "response_reused";
    case "TaskMoved":
      return fact.status === undefined ? "task_told" : `task_${fact.status}`;
    case "SessionSeen":
      return `session_${fact.moment}`;
    case "AgentWrote":
      return "agent_wrote";
    case "CallsRefused":
      return "calls_refused";
    case "ConfigurationChanged":
      return "config_changed";
    case "ThreadDescribed":
      return "thread_described";
    case "VisibilityChanged":
      return "visibility_changed";
    case "PathTaken":
      return "path_taken";
    case "LineKnown":
    case "LineTitled":
      return "line_known";
    case "Compacted":
      return "compacted";
    case "SourceDescribed":
      return "source_described";
    case "Noted":
      return "note";
    case "NotUnderstood":
      return "not_understood";
  }
};

/** Said beside something else these add nothing. */
const minor: ReadonlySet<string> = new Set(["thread_described", "line_known", "path_taken", "note"]);

/** Each word once, in order, such as `answer tool_called tokens_used`; undefined for an event without a meaning to us. */
export const meaningOf = (facts: ReadonlyArray<Fact>): string | undefined => {
  const words = [...new Set(facts.map(wordOf))];
  const major = words.filter((word) => !minor.has(word));
  return (major.length > 0 ? major : words.slice(0, 1)).join(" ") || undefined;
};

/** Actor of an event: as the writer says, else the author or role of what was said, the model that answered, or `tool`. */
export const actorOf = (event: RecordedEvent, facts: ReadonlyArray<Fact>): string | undefined => {
  if (event.actor !== undefined) return undefined;
  for (const fact of facts) {
    if (fact._tag === "MessageSaid") {
      const kind = kindOf(fact);
      return (
        fact.author ?? (kind === "answer" ? (fact.model ?? fact.role) : kind === "tool_result" ? "tool" : fact.role)
      );
    }
    if (fact._tag === "TokensUsed") return fact.model;
    if (fact._tag === "ToolHasReturned") return "tool";
    if (fact._tag === "TaskMoved" && fact.worker !== undefined) return fact.worker;
    if (fact._tag === "AgentWrote") return fact.from;
  }
  return undefined;
};
