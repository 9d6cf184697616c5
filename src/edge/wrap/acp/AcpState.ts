/**
 * State of what an editor and an agent have said to each other, as JSON has it, within bounds.
 *
 * Room: edge.
 */
import type { JsonObject, JsonValue } from "../../../domain/Json.ts";
import type { Part, Program } from "../../../domain/thread/Content.ts";

export interface Asked {
  readonly method: string;
  readonly session: string | null;
  readonly params: JsonObject;
  readonly began: number;
}

export interface Call {
  readonly said: JsonObject;
  readonly began: number;
  /** Its event was told. */
  readonly isTold: boolean;
}

export interface Session {
  /** Events of it so far: with the session a place. */
  count: number;
  isLoading: boolean;
  parts: Array<Part>;
  units: number;
  messageId: string | null;
  usage: JsonValue | null;
  calls: Record<string, Call>;
}

/** State of what was seen so far, as JSON has it. */
export interface AcpState {
  readonly protocol: "acp";
  hasStarted: boolean;
  client: Program | null;
  server: Program | null;
  protocolVersion: string | null;
  readonly asked: Record<string, Asked>;
  readonly sessions: Record<string, Session>;
}

/** Bounds of what never answers or ends: the oldest are forgotten. */
export const mostAsked = 1_000;
export const mostSessions = 1_000;
export const mostCalls = 10_000;

/** Forgets the oldest beyond so many. */
export const bounded = <T>(all: Record<string, T>, most: number): void => {
  const names = Object.keys(all);
  for (const name of names.slice(0, Math.max(0, names.length - most))) delete all[name];
};

/** Nothing was seen yet. */
export const fresh = (): AcpState => ({
  protocol: "acp",
  hasStarted: false,
  client: null,
  server: null,
  protocolVersion: null,
  asked: {},
  sessions: {},
});
