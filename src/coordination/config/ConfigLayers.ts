/**
 * The layers of a configuration put on one another: what holds of file, environment and history. Pure.
 *
 * Room: coordination.
 */
import { Result } from "effect";
import type { ConfigState } from "./ConfigHistory.ts";
import {
  check,
  ConfigRefused,
  families,
  type FieldName,
  fields,
  known,
  maxNameLength,
  variableOf,
} from "./ConfigFields.ts";

/** Most names in all families together, and in a file: each process holds them, and asks them at every decision. */
export const maxNames = 1_000;

/** Values that a process begins with. */
export interface Given {
  /** The file's values: fields by name, in one flat object. */
  readonly file?: Readonly<Record<string, unknown>> | undefined;
  /** The environment. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface Below {
  readonly value: unknown;
  readonly layer: "file" | "environment";
}

/** A value as a person writes it, in a variable or on the command line: `5000` is a number, `nats://h` a text. */
export const valueOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** File and environment: what holds below the history, checked before anything begins. */
export const belowOf = ({
  environment = {},
  file = {},
}: Given): Result.Result<ReadonlyMap<string, Below>, ConfigRefused> => {
  const below = new Map<string, Below>();
  const take = (name: string, given: unknown, layer: Below["layer"]) =>
    Result.map(check(name, given, layer), (value) => void below.set(name, { value, layer }));
  const given = Object.entries(file);
  if (given.length > maxNames) {
    const message = `The file has ${given.length} fields; at most ${maxNames} are possible.`;
    const field = given[maxNames]?.[0].slice(0, maxNameLength) ?? "";
    return Result.fail(new ConfigRefused({ field, layer: "file", message, hint: "Remove some." }));
  }
  for (const [name, value] of given) {
    const taken = take(name, value, "file");
    if (Result.isFailure(taken)) return Result.fail(taken.failure);
  }
  for (const name of Object.keys(fields)) {
    const text = environment[variableOf(name)];
    if (text === undefined || text === "") continue;
    const taken = take(name, fields[name as FieldName].default === "" ? text : valueOf(text), "environment");
    if (Result.isFailure(taken)) return Result.fail(taken.failure);
  }
  return Result.succeed(below);
};

type ByFamily = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

/** The same object for the same values: what is kept by it is kept as long as they hold. */
const asBefore = (values: ReadonlyMap<string, unknown>, before: ReadonlyMap<string, unknown> | undefined) => {
  const isSame = before?.size === values.size && [...values].every(([name, value]) => before.get(name) === value);
  return isSame ? before : values;
};

/** Values that hold: every field and every name of a family, from the highest layer that has one. `before`: those that held. */
export const holding = (below: ReadonlyMap<string, Below>, state: ConfigState, before?: ByFamily) => {
  const values = new Map<string, unknown>(Object.entries(fields).map(([name, field]) => [name, field.default]));
  for (const [name, { value }] of below) values.set(name, value);
  for (const [name, { problem, value }] of state.fields) if (problem === undefined) values.set(name, value);
  const byFamily = new Map<string, Map<string, unknown>>(Object.keys(families).map((name) => [name, new Map()]));
  for (const [name, value] of values) {
    const family = known(name)?.family;
    if (family !== undefined) byFamily.get(family)?.set(name.slice(family.length + 1), value);
  }
  return { values, byFamily: new Map([...byFamily].map(([name, all]) => [name, asBefore(all, before?.get(name))])) };
};
