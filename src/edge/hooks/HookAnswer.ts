/**
 * The answer to a hook: nothing that changes the agent, but for a brief at a session's start where that is chosen.
 *
 * Room: edge.
 */
import type { HookAgent } from "../../domain/interpret/hooks/hookEvent.ts";

/** The body that an agent takes as more context for its model. */
export const contextAnswer = (agent: HookAgent, event: string, brief: string): object => {
  switch (agent) {
    case "cursor":
      return { additional_context: brief };
    case "copilot":
    case "opencode":
      return { additionalContext: brief };
    default:
      return { hookSpecificOutput: { hookEventName: event, additionalContext: brief } };
  }
};
