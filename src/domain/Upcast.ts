/**
 * Reading what was written by any version: old shapes are upcast, newer ones are left alone.
 *
 * Room: domain.
 */
import { Result, Schema } from "effect";
import { type EventData, type EventTypeName, eventTypes, isEventTypeName, type RecordedEvent } from "./Event.ts";
import { MessageAppendedV1 } from "./thread/ThreadEvents.ts";
import type { Part } from "./thread/Content.ts";

/** Reason that an event that claims to be ours is not: a projection parks it as a dead letter with this sentence. */
export interface Refusal {
  readonly reason: string;
}

/** A body that was read: its type with its data, or `Unknown` for what only a newer version knows. */
export type Decoded =
  | {
      readonly [Name in EventTypeName]: { readonly _tag: "Known"; readonly type: Name; readonly data: EventData<Name> };
    }[EventTypeName]
  | { readonly _tag: "Unknown"; readonly what: string };

type Upcaster = (data: unknown) => Result.Result<unknown, Schema.SchemaError>;

const decodeV1 = Schema.decodeUnknownResult(MessageAppendedV1);

/** A plain turn (role and one string) becomes a message of one text part; files and images keep their place. */
const messageAppendedFromV1: Upcaster = (data) =>
  Result.map(decodeV1(data), (turn): EventData<"thread.message_appended"> => ({
    messageId: turn.messageId,
    role: turn.role,
    parts: [{ type: "text", text: turn.content } satisfies Part],
    files: turn.files ?? null,
    images: turn.images ?? null,
    tool: turn.tool_name ?? null,
    provider: turn.model_provider ?? null,
    model: turn.model_name ?? null,
    metadata: turn.model_metadata ?? null,
  }));

/** From (type, schema version) to the next version's data. */
const upcasters: { readonly [Name in EventTypeName]?: Readonly<Record<number, Upcaster>> } = {
  "thread.message_appended": { 1: messageAppendedFromV1 },
};

const decoders = Object.fromEntries(
  Object.entries(eventTypes).map(([name, { data }]) => [
    name,
    Schema.decodeUnknownResult(data as Schema.Codec<unknown>),
  ]),
) as Record<EventTypeName, (data: unknown) => Result.Result<unknown, Schema.SchemaError>>;

/** A decoder that refuses an ill-formed byte, so that a damaged body is reported and not repaired in silence. */
const utf8 = new TextDecoder("utf-8", { fatal: true });

const parse = (body: Uint8Array): Result.Result<unknown, Refusal> =>
  Result.try({
    try: () => JSON.parse(utf8.decode(body)) as unknown,
    catch: (cause) => ({
      reason: `the body is not JSON in UTF-8: ${cause instanceof Error ? cause.message : String(cause)}`,
    }),
  });

/** Reads an event's data as today's shape. */
export const decodeData = (event: RecordedEvent): Result.Result<Decoded, Refusal> => {
  const { type } = event;
  if (!isEventTypeName(type)) return Result.succeed({ _tag: "Unknown", what: `event type ${type}` });
  const { kind, version: current } = eventTypes[type];
  if (event.history.kind !== kind) {
    return Result.fail({ reason: `a ${type} event belongs to a ${kind}, but stands in a ${event.history.kind}` });
  }
  return Result.flatMap(parse(event.body), (body): Result.Result<Decoded, Refusal> => {
    let data = Result.succeed(body) as Result.Result<unknown, Schema.SchemaError>;
    for (let version = event.schemaVersion; version < current; version++) {
      const upcaster = upcasters[type]?.[version];
      if (upcaster === undefined) return Result.fail({ reason: `${type} has no schema version ${version}` });
      data = Result.flatMap(data, upcaster);
    }
    const decoded = Result.flatMap(data, decoders[type]);
    if (Result.isSuccess(decoded)) return Result.succeed({ _tag: "Known", type, data: decoded.success } as Decoded);
    if (event.schemaVersion > current) {
      return Result.succeed({ _tag: "Unknown", what: `${type} in schema version ${event.schemaVersion}` });
    }
    return Result.fail({ reason: `${type}: ${decoded.failure.message}` });
  });
};
