/**
 * JSON Schema for every event type and AsyncAPI for the wire, generated from the Schemas the code itself checks with.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { type EventTypeName, eventTypes } from "../../domain/Event.ts";
import { asyncApi } from "./AsyncApi.ts";

/** Draft 2020-12, one document for each event's data: the body of the message. */
const schemaOf = (type: EventTypeName): object => {
  const { kind, version, data } = eventTypes[type];
  const { schema, definitions } = Schema.toJsonSchemaDocument(data);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `${type}.json`,
    title: type,
    description: `The data of a ${type} event, schema version ${version}. It stands in the history of a ${kind}.`,
    ...schema,
    ...(Object.keys(definitions).length > 0 ? { $defs: definitions } : {}),
  };
};

/** The index: each type with its kind of history and today's schema version. */
const index = () => ({
  description: "Every event type that this version writes. Unknown types and fields are kept, never refused.",
  types: Object.entries(eventTypes).map(([type, { kind, version }]) => ({
    type,
    kind,
    schemaVersion: version,
    schema: `${type}.json`,
  })),
});

const text = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

const names = Object.keys(eventTypes) as ReadonlyArray<EventTypeName>;

/** The files of the `schema` folder: name and content. */
export const files: ReadonlyMap<string, string> = new Map([
  ["index.json", text(index())],
  ["asyncapi.json", text(asyncApi)],
  ...names.map((type) => [`${type}.json`, text(schemaOf(type))] as const),
]);
