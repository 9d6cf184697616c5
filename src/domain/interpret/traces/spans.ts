/**
 * Spans of OpenTelemetry about calls of models and tools, out of the shapes in which they are written as JSON.
 *
 * Room: domain.
 *
 * Shapes: a line of the OTLP file exporter (`resourceSpans`, or the old `instrumentationLibrarySpans`), and a span by
 * itself, as SDKs print it (`attributes` an object, ids in `context` or beside). Names of attributes are those of
 * semantic-conventions-genai v0.1.0 and of its forerunners, OpenLLMetry's and OpenInference's.
 */
import { arrayAt, isObject, type JsonObject, type JsonValue, objectAt, stringAt } from "../../Json.ts";

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly name: string;
  readonly attributes: JsonObject;
  /** Epoch milliseconds. */
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly isError: boolean;
  readonly message: string;
  readonly events: ReadonlyArray<{ readonly name: string; readonly attributes: JsonObject }>;
}

/** Values in values that are looked into; what lies deeper is no message. */
const deepest = 64;

/** A value of OTLP: `{stringValue}`, `{intValue}` (a string of digits), `{arrayValue: {values}}`, … */
const valueOf = (value: JsonValue | undefined, depth = 0): JsonValue => {
  if (!isObject(value)) return value ?? null;
  if (depth > deepest) return null;
  if ("stringValue" in value) return value["stringValue"] ?? null;
  if ("intValue" in value) return Number(value["intValue"]);
  if ("doubleValue" in value) return Number(value["doubleValue"]);
  if ("boolValue" in value) return value["boolValue"] ?? null;
  const list = objectAt(value, "arrayValue");
  if (list !== undefined) return arrayAt(list, "values").map((one) => valueOf(one, depth + 1));
  const pairs = objectAt(value, "kvlistValue");
  return pairs === undefined ? null : attributesOf(pairs["values"], depth + 1);
};

const attributesOf = (attributes: JsonValue | undefined, depth = 0): JsonObject => {
  if (isObject(attributes)) return attributes;
  if (!Array.isArray(attributes)) return {};
  return Object.fromEntries(
    (attributes as ReadonlyArray<JsonValue>).flatMap((pair) => {
      const key = stringAt(pair, "key");
      return key === undefined ? [] : [[key, valueOf(isObject(pair) ? pair["value"] : undefined, depth)] as const];
    }),
  );
};

/** Nanoseconds since the epoch, as digits; or a date. */
const millisOf = (value: JsonValue | undefined): number | undefined => {
  if (Array.isArray(value)) {
    const [seconds, nanos] = value as ReadonlyArray<JsonValue>;
    return typeof seconds === "number" && typeof nanos === "number" ? seconds * 1000 + nanos / 1e6 : undefined;
  }
  const isDigits = typeof value === "number" || (typeof value === "string" && /^\d{16,19}$/.test(value));
  if (isDigits) {
    const number = Number(value);
    return number > 1e17 ? number / 1e6 : number > 1e14 ? number / 1e3 : number;
  }
  const millis = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(millis) ? undefined : millis;
};

const idOf = (span: JsonObject, camel: string, snake: string): string =>
  (
    stringAt(span, camel) ??
    stringAt(span, snake) ??
    stringAt(objectAt(span, "context"), snake) ??
    stringAt(objectAt(span, "context"), camel) ??
    ""
  ).replace(/^0x/, "");

const spanOf = (span: JsonObject): Span => {
  const status = objectAt(span, "status");
  const code = status?.["code"] ?? stringAt(status, "status_code");
  return {
    traceId: idOf(span, "traceId", "trace_id"),
    spanId: idOf(span, "spanId", "span_id") || (stringAt(span, "id") ?? ""),
    name: stringAt(span, "name") ?? "",
    attributes: attributesOf(span["attributes"]),
    start: millisOf(span["startTimeUnixNano"] ?? span["start_time"] ?? span["startTime"] ?? span["timestamp"]),
    end: millisOf(span["endTimeUnixNano"] ?? span["end_time"] ?? span["endTime"]),
    isError: code === 2 || (typeof code === "string" && code.endsWith("ERROR")),
    message: stringAt(status, "message") ?? stringAt(status, "description") ?? "",
    events: arrayAt(span, "events").map((event) => ({
      name: stringAt(event, "name") ?? "",
      attributes: attributesOf(isObject(event) ? event["attributes"] : undefined),
    })),
  };
};

const isSpan = (value: JsonObject): boolean =>
  typeof value["name"] === "string" &&
  (isObject(value["attributes"]) || Array.isArray(value["attributes"])) &&
  idOf(value, "traceId", "trace_id") !== "";

/** All spans of a line; none when it is no line of spans. */
export const spansOf = (line: JsonValue): ReadonlyArray<Span> => {
  if (!isObject(line)) return [];
  if (isSpan(line)) return [spanOf(line)];
  return arrayAt(line, "resourceSpans").flatMap((resource) =>
    [...arrayAt(resource, "scopeSpans"), ...arrayAt(resource, "instrumentationLibrarySpans")].flatMap((scope) =>
      arrayAt(scope, "spans").flatMap((span) => (isObject(span) ? [spanOf(span)] : [])),
    ),
  );
};

const aboutModels = /^(?:gen_ai\.|llm\.|openinference\.|traceloop\.|mcp\.)/;

/** True when a span is about a model or a tool. */
export const isAboutModels = ({ attributes }: Span): boolean =>
  Object.keys(attributes).some((key) => aboutModels.test(key));

const conversationOf = ({ attributes, traceId }: Span): string =>
  stringAt(attributes, "gen_ai.conversation.id") ?? stringAt(attributes, "session.id") ?? traceId;

/** The conversation of a line: the id its spans give, else their trace; undefined for a line that is not about models. */
export const spanSession = (line: JsonValue): string | undefined => {
  const found = spansOf(line).find(isAboutModels);
  return found === undefined ? undefined : conversationOf(found);
};

/** Start of a line's first span about models, epoch milliseconds. */
export const spanTime = (line: JsonValue): number | undefined => {
  const start = spansOf(line).find(isAboutModels)?.start;
  return start === undefined ? undefined : Math.trunc(start);
};
