/**
 * Messages that are answered in front of Effect's server, and what one of them is answered with.
 *
 * Room: edge.
 */
import type { Effect } from "effect";
import { isObject, type JsonObject, type JsonValue } from "../../domain/Json.ts";

/** A request's answer; undefined: the message is for the server behind. */
export type Dispatch = (message: JsonObject) => Effect.Effect<Reply | undefined>;

export interface Reply {
  readonly body: JsonObject;
  /** The status over HTTP. */
  readonly status: number;
}

export const codes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Code that the protocol's own SDK uses. */
  noSession: -32001,
  headerMismatch: -32020,
  missingCapability: -32021,
} as const;

/** A request's id as JSON-RPC allows it; null where there is none. */
export const idOf = (message: JsonObject): JsonValue => {
  const id = message["id"];
  return typeof id === "string" || typeof id === "number" ? id : null;
};

export const result = (message: JsonObject, value: JsonObject): Reply => ({
  status: 200,
  body: { jsonrpc: "2.0", id: idOf(message), result: value },
});

export const failure = (
  message: JsonObject,
  error: { readonly code: number; readonly message: string; readonly data?: JsonValue | undefined },
  status = 200,
): Reply => {
  const { code, data, message: words } = error;
  const told: JsonObject = data === undefined ? { code, message: words } : { code, message: words, data };
  return { status, body: { jsonrpc: "2.0", id: idOf(message), error: told } };
};

/** Answer to a text that is no message of JSON-RPC; undefined for one that is. */
export const refused = (text: string): { readonly message?: JsonValue; readonly reply?: Reply } => {
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(text) as JsonValue;
  } catch {
    return { reply: failure({}, { code: codes.parse, message: "Parse error" }, 400) };
  }
  const invalid = (why: string) => ({ reply: failure({}, { code: codes.invalidRequest, message: why }, 400) });
  if (Array.isArray(parsed)) return parsed.length === 0 ? invalid("An empty batch") : { message: parsed };
  if (!isObject(parsed)) return invalid("A message is an object");
  const { id } = parsed;
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number") {
    return invalid("An id is a string or a number");
  }
  if (parsed["method"] !== undefined && typeof parsed["method"] !== "string") return invalid("A method is a string");
  return { message: parsed };
};
