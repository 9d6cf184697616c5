/**
 * The history of a configuration, folded: which values hold, and what each version changed. Pure.
 *
 * Room: coordination.
 *
 * A version is the n-th change, from 1; version 0 is a configuration without a change. A change that stands in the log has
 * happened, by any writer: a value that this version's Schema does not allow is kept and reported, and does not hold.
 */
import { Result } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import { decodeData } from "../../domain/Upcast.ts";
import { check } from "./ConfigFields.ts";

/** One change of one field; `value` undefined: it fell back to what it is without this history. */
export interface Change {
  readonly field: string;
  readonly value: unknown;
}

/** One version: what was changed, by whom, when and why. */
export interface Version {
  readonly version: number;
  readonly sequence: Sequence;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly who: string;
  readonly why: string | undefined;
  readonly rolledBackTo: number | undefined;
  readonly changes: ReadonlyArray<Change>;
}

/** A value as it was written, and what became of it. */
interface Held {
  readonly raw: unknown;
  /** Value as its Schema has it; undefined with a `problem`. */
  readonly value: unknown;
  readonly problem: string | undefined;
  readonly version: number;
}

export interface ConfigState {
  readonly version: number;
  readonly sequence: Sequence;
  readonly fields: ReadonlyMap<string, Held>;
}

export const empty: ConfigState = { version: 0, sequence: 0, fields: new Map() };

/** Version that an event made; undefined for one that is no change of a configuration as this version knows it. */
export const versionOf = (event: RecordedEvent, version: number): Version | undefined => {
  const decoded = Result.getOrUndefined(decodeData(event));
  if (decoded?._tag !== "Known" || decoded.type !== "config.changed") return undefined;
  const { data } = decoded;
  return {
    version,
    sequence: event.sequence,
    at: event.occurredAt,
    who: event.actor ?? event.source,
    why: data.why ?? undefined,
    rolledBackTo: data.rolledBackTo ?? undefined,
    changes: data.changes.map(({ field, value }) => ({ field, value: value ?? undefined })),
  };
};

const heldOf = ({ field, value }: Change, version: number): Held => {
  const checked = check(field, value, "runtime");
  return Result.isSuccess(checked)
    ? { raw: value, value: checked.success, problem: undefined, version }
    : { raw: value, value: undefined, problem: checked.failure.message, version };
};

/** The state after one more event. One that was folded already leaves it as it is. */
export const apply = (state: ConfigState, event: RecordedEvent): ConfigState => {
  if (event.sequence <= state.sequence) return state;
  const changed = versionOf(event, state.version + 1);
  if (changed === undefined) return { ...state, sequence: event.sequence };
  const fields = new Map(state.fields);
  for (const change of changed.changes) {
    if (change.value === undefined) fields.delete(change.field);
    else fields.set(change.field, heldOf(change, changed.version));
  }
  return { version: changed.version, sequence: event.sequence, fields };
};

/** JSON with its keys in order: two spellings of one value are equal. */
const spelled = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  ) ?? "undefined";

/** The changes that change anything: deciding twice decides nothing. */
export const effective = (state: ConfigState, changes: ReadonlyArray<Change>): ReadonlyArray<Change> =>
  changes.filter(({ field, value }) => spelled(state.fields.get(field)?.raw) !== spelled(value));

export interface Difference {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The fields in which two states differ, by name. */
export const differences = (before: ConfigState, after: ConfigState): ReadonlyArray<Difference> =>
  [...new Set([...before.fields.keys(), ...after.fields.keys()])]
    .toSorted()
    .map((field) => ({ field, before: before.fields.get(field)?.raw, after: after.fields.get(field)?.raw }))
    .filter((difference) => spelled(difference.before) !== spelled(difference.after));
