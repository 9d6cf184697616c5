/**
 * The protocols that are spoken between two sides, and what is seen of each.
 *
 * Room: edge.
 */
import type { AcpState } from "./acp/AcpState.ts";
import { AcpTraffic } from "./acp/AcpTraffic.ts";
import { type State as McpState, Traffic } from "./Traffic.ts";

/** `mcp`, the Model Context Protocol, or `acp`, the Agent Client Protocol. */
export type Protocol = "mcp" | "acp";

/** State of what was seen so far, as JSON has it. */
export type State = McpState | AcpState;

export interface Seeing extends Pick<Traffic, "see" | "again" | "end" | "client" | "server" | "callOf"> {
  readonly state: State;
}

/** Begins to see, with a state that was seen before. */
export const seeing = (protocol: Protocol | undefined, state?: State): Seeing => {
  if (protocol === "acp") return new AcpTraffic(state !== undefined && "protocol" in state ? state : undefined);
  return Traffic.from(state !== undefined && !("protocol" in state) ? state : undefined);
};
