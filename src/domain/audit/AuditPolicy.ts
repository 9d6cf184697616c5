/**
 * The audit policy: levels of recording a tool's call, by tool, server and agent, as in the levels of Kubernetes' audit policy.
 *
 * Room: domain.
 */
import { Schema } from "effect";

/**
 * - `None`: nothing of the call
 * - `Metadata`: that it was made, by whom, when, how it ended and how long it took
 * - `Request`: its arguments too
 * - `RequestResponse`: its result too
 */
export const Level = Schema.Literals(["None", "Metadata", "Request", "RequestResponse"]);
export type Level = typeof Level.Type;

/** A name, or a pattern of it: `*` is any number of characters. */
const Glob = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200));

/** A rule of the policy; an absent field matches everything. */
export const Rule = Schema.Struct({
  /** The tool's name as its server has it. */
  tool: Schema.optionalKey(Glob),
  /** The server's name as it gives it. */
  server: Schema.optionalKey(Glob),
  /** Caller: the event's actor, as a client's name. */
  agent: Schema.optionalKey(Glob),
  level: Level,
});
export type Rule = typeof Rule.Type;

/** First match wins; what matches no rule is `RequestResponse`. */
export const AuditPolicy = Schema.Array(Rule).check(Schema.isMaxLength(200));
export type AuditPolicy = typeof AuditPolicy.Type;

/** The call in question; undefined stands for unknown, and matches `*` alone. */
export interface Asked {
  readonly tool: string | undefined;
  readonly server: string | undefined;
  readonly agent: string | undefined;
}

/** Linear in both lengths: each piece between stars is searched for once, from left to right. */
const matches = (pattern: string, name: string): boolean => {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = name.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= name.length - last.length;
};

const fits = (pattern: string | undefined, name: string | undefined): boolean =>
  pattern === undefined || pattern === "*" || (name !== undefined && matches(pattern, name));

export const levelOf = (policy: AuditPolicy, { agent, server, tool }: Asked): Level =>
  policy.find((rule) => fits(rule.tool, tool) && fits(rule.server, server) && fits(rule.agent, agent))?.level ??
  "RequestResponse";

export const keepsRequest = (level: Level): boolean => level === "Request" || level === "RequestResponse";
export const keepsResponse = (level: Level): boolean => level === "RequestResponse";
