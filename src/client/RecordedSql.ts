/**
 * Values of a statement as JSON holds them: for the event that says what was asked.
 *
 * Room: client.
 */
import type { SqlParameters } from "../query/Sql.ts";

const plain = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === "bigint" ? String(value) : value;
};

export const recordedParameters = (parameters: SqlParameters): unknown =>
  Array.isArray(parameters)
    ? parameters.map(plain)
    : Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, plain(value)]));
