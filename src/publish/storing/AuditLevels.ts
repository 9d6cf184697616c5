/**
 * The audit policy put on events: what of a tool's call, its answer and the messages that repeat both is recorded.
 *
 * Room: publish.
 *
 * Promises: below `RequestResponse` neither a result nor an error's words are in the event, below `Request` no arguments
 * either, and the event says its level; of a call whose level is `None` there is no event, only the message that it stands
 * in names it. An answer has its call's level. One whose call this process has not seen has `Metadata` when any rule of the
 * policy keeps less than everything, because nothing tells which rule is its own.
 */
import {
  type Asked,
  type AuditPolicy,
  keepsRequest,
  keepsResponse,
  type Level,
  levelOf,
} from "../../domain/audit/AuditPolicy.ts";
import { isObject, type JsonObject, stringAt, utf8Length } from "../../domain/Json.ts";
import type { Policy } from "./StoragePolicy.ts";

/** Calls whose answers are still to come. */
const mostCalls = 10_000;

const without = (data: JsonObject, ...names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(Object.entries(data).filter(([name]) => !names.includes(name)));

/** Fields of a call, or of a part that is one, at `Metadata`: names and places, whatever else its client said of it. */
const callMetadata = ["type", "callId", "name", "server", "messageId"];

const only = (data: JsonObject, names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(Object.entries(data).filter(([name]) => names.includes(name)));

const bytesOf = (value: unknown): number =>
  value == null ? 0 : utf8Length(typeof value === "string" ? value : JSON.stringify(value));

export class AuditLevels {
  readonly #levels = new Map<string, Level>();

  /** An event's data as its level has it; undefined: nothing of it is recorded. `actor` is who says it. */
  audited(policy: Policy, type: string, data: unknown, actor: string | undefined): unknown {
    const { audit } = policy;
    if (audit.length === 0 || !isObject(data)) return data;
    switch (type) {
      case "thread.tool_called":
        return this.#called(audit, data, actor);
      case "thread.tool_returned":
        return this.#returned(audit, data);
      case "thread.message_appended":
        return this.#message(audit, data, actor);
      default:
        return data;
    }
  }

  #levelOfCall(audit: AuditPolicy, call: JsonObject, agent: string | undefined): Level {
    const asked: Asked = { tool: stringAt(call, "name"), server: stringAt(call, "server"), agent };
    const level = levelOf(audit, asked);
    const callId = stringAt(call, "callId") ?? "";
    this.#levels.delete(callId);
    this.#levels.set(callId, level);
    for (const oldest of this.#levels.keys()) {
      if (this.#levels.size <= mostCalls) break;
      this.#levels.delete(oldest);
    }
    return level;
  }

  #levelOfAnswer(audit: AuditPolicy, answer: JsonObject): Level {
    const known = this.#levels.get(stringAt(answer, "callId") ?? "");
    if (known !== undefined) return known;
    return audit.every(({ level }) => level === "RequestResponse") ? "RequestResponse" : "Metadata";
  }

  #called(audit: AuditPolicy, data: JsonObject, actor: string | undefined): JsonObject | undefined {
    const level = this.#levelOfCall(audit, data, actor);
    if (level === "None") return undefined;
    if (level === "RequestResponse") return data;
    const kept = keepsRequest(level) ? data : only(data, callMetadata);
    return { ...kept, auditLevel: level };
  }

  #returned(audit: AuditPolicy, data: JsonObject): JsonObject | undefined {
    const level = this.#levelOfAnswer(audit, data);
    if (level === "None") return undefined;
    if (keepsResponse(level)) return data;
    const error = data["error"];
    return {
      ...without(data, "result", "resultBlob", "error"),
      resultBytes: data["resultBytes"] ?? bytesOf(data["result"]),
      ...(isObject(error) ? { error: without(error, "message") } : {}),
      auditLevel: level,
    };
  }

  /** A message names its calls whatever their level: it would not be the message otherwise. */
  #message(audit: AuditPolicy, data: JsonObject, actor: string | undefined): JsonObject {
    const { parts } = data;
    if (!Array.isArray(parts)) return data;
    let isLess = false;
    const kept = parts.map((part: JsonObject) => {
      const less = isObject(part) ? this.#part(audit, part, actor) : part;
      isLess ||= less !== part;
      return less;
    });
    return isLess ? { ...data, parts: kept } : data;
  }

  #part(audit: AuditPolicy, part: JsonObject, actor: string | undefined): JsonObject {
    if (part["type"] === "tool_use") {
      return keepsRequest(this.#levelOfCall(audit, part, actor)) ? part : only(part, callMetadata);
    }
    if (part["type"] !== "tool_result" || keepsResponse(this.#levelOfAnswer(audit, part))) return part;
    return { ...without(part, "blob"), text: "", bytes: part["bytes"] ?? bytesOf(part["text"]) };
  }
}
