/**
 * The time of a foreign entry, as far as it says so itself.
 *
 * Room: domain.
 *
 * A time without a zone is read as UTC, so that every machine reads the same (tau2 writes local time and says not
 * where). Numbers are seconds, milliseconds or microseconds by their size.
 */
import { spanTime } from "./interpret/traces/spans.ts";
import { isObject, type JsonObject, type JsonValue } from "./Json.ts";

/** The last millisecond that RFC 3339 can write: the end of the year 9999. */
export const latest = 253_402_300_799_999;
/** 1980: an earlier time is a counter or a slip, not the time of an agent's words. */
const earliest = 315_532_800_000;

/**
 * Longest lead of a writer's clock over the log's, milliseconds. Decision: five minutes, because clocks that are set by
 * the network agree within a second, and those of machines that sleep within a minute or two.
 */
export const mostAheadMillis = 5 * 60_000;

/** A time that was said, unless it lies in the future of when the log took it: then that moment. For all that sorts or sums. */
export const believed = (at: number, recordedAt: number): number =>
  at > recordedAt + mostAheadMillis ? recordedAt : at;

/** The event with the time that counts, in place of the one that was said. */
export const inItsTime = <A extends { readonly occurredAt: number; readonly recordedAt: number }>(event: A): A => {
  const occurredAt = believed(event.occurredAt, event.recordedAt);
  return occurredAt === event.occurredAt ? event : { ...event, occurredAt };
};

/** ISO 8601 and RFC 3339: a day, a time, a zone. What else V8 takes for a date (`task 2024`) is a text, or a time of no zone. */
const written = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(?:Z|UTC|GMT|([+-]\d\d):?(\d\d))?)?$/i;
/** Date of a mail or of HTTP, always with a zone. */
const ofMail = /^[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(?::\d\d)? (?:GMT|UTC|[+-]\d{4})$/;

const spelled = (value: string): number => {
  const [, day, time, hours, minutes] = written.exec(value) ?? [];
  if (day === undefined) return ofMail.test(value) ? Date.parse(value) : Number.NaN;
  const zone = hours === undefined ? "Z" : `${hours}:${minutes}`;
  return Date.parse(time === undefined ? day : `${day}T${time}${zone}`);
};

const inRange = (millis: number): number | undefined =>
  millis >= earliest && millis <= latest ? Math.trunc(millis) : undefined;

/** Epoch milliseconds of a time as formats write it, or undefined for anything else (`[trimmed for fixture]`). */
export const millisOf = (value: JsonValue | undefined): number | undefined => {
  if (typeof value === "number") {
    if (value >= 1e14) return inRange(value / 1000);
    return inRange(value >= 1e11 ? value : value * 1000);
  }
  if (typeof value !== "string" || value.length < 10 || value.length > 40) return undefined;
  return inRange(spelled(value));
};

/** Fields in which formats keep the time of an entry, the most particular first. */
const names = [
  "timestamp",
  "ts",
  "created_at",
  "createdAt",
  "startTime",
  "start_time",
  "started_at",
  "created",
  "create_time",
  "creationDate",
] as const;

/** Values in values that are looked at for a time: no format has more than two. */
const deepest = 4;

/** The time an entry gives itself. */
export const timeOf = (entry: JsonValue | undefined, depth = 0): number | undefined => {
  if (!isObject(entry) || depth > deepest) return undefined;
  if (typeof entry["table"] === "string") return rowTime(entry);
  for (const name of names) {
    const millis = millisOf(entry[name]);
    if (millis !== undefined) return millis;
  }
  const { time, state } = entry;
  if (isObject(time)) return millisOf(time["created"]) ?? millisOf(time["start"]);
  if (isObject(state)) return timeOf({ time: state["time"] ?? null });
  return millisOf(time) ?? innerTime(entry, depth);
};

const rowNames = ["created_timestamp", "timestamp", "created_at", "started_at", "time_created"] as const;

/** The time of a row of an agent's database: in the JSON that it holds, else in a column. */
const rowTime = (row: JsonObject): number | undefined => {
  const { data, value } = row;
  const inner = isObject(data)
    ? timeOf(data)
    : isObject(value)
      ? timeOf({ createdAt: value["createdAt"] ?? null })
      : undefined;
  if (inner !== undefined) return inner;
  for (const name of rowNames) {
    const millis = millisOf(row[name]);
    if (millis !== undefined) return millis;
  }
  return undefined;
};

/** The time of what an entry wraps: a mutation of a state, spans. */
const innerTime = (entry: JsonObject, depth: number): number | undefined => {
  if ("kind" in entry && "v" in entry) {
    const { v } = entry;
    return timeOf(Array.isArray(v) ? ((v as ReadonlyArray<JsonValue>)[0] ?? null) : v, depth + 1);
  }
  const { data, message, meta } = entry;
  if (isObject(data) && isObject(data["meta"])) return millisOf(data["meta"]["timestamp"]);
  if (isObject(message) && "create_time" in message) return millisOf(message["create_time"]);
  if (isObject(meta) && "sentAt" in meta) return millisOf(meta["sentAt"]);
  if (isObject(entry["user"])) return millisOf(entry["user"]["timestamp"]);
  return "resourceSpans" in entry || "startTimeUnixNano" in entry ? spanTime(entry) : undefined;
};

const updateNames = ["lastUpdated", "last_updated_at", "updated_at", "end_time", "lastUpdatedAt"] as const;

/** Time of the last write of the object around a conversation, as it says itself: of two frames the later one holds. */
export const updateTimeOf = (frame: JsonValue): number | undefined => {
  if (!isObject(frame)) return undefined;
  for (const name of updateNames) {
    const millis = millisOf(frame[name]);
    if (millis !== undefined) return millis;
  }
  return undefined;
};
