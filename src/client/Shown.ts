/**
 * The filter of what is shown: the one function at every way out, be it a terminal, a file, an answer over HTTP or one for a model.
 *
 * Room: client.
 *
 * Promises: what the store holds of transcripts is shown without its secrets unless its owner asks for it as it is stored; a
 * text is redacted whole before it is cut, so no half of a secret is left at an edge.
 */
import { Effect, Stream } from "effect";
import type { Redactor } from "../domain/secret/RedactSecrets.ts";
import { policyHere } from "../publish/storing/StoragePolicy.ts";
import { Query } from "../query/Query.ts";
import type { Selected } from "../query/Sql.ts";

export interface Shown {
  /** Any JSON as it may be shown; the same value when there is nothing in it. */
  readonly value: <T>(value: T) => T;
  readonly text: (text: string) => string;
  /** One entry of a transcript, as its bytes; only what holds a secret is written anew. */
  readonly entry: (bytes: Uint8Array) => Uint8Array;
  /** Identity of the rules in force: an answer that was redacted by the same rules may be given again. */
  readonly rules: () => unknown;
}

/** As it is stored. */
export const asStored: Shown = {
  value: (value) => value,
  text: (text) => text,
  entry: (bytes) => bytes,
  rules: () => undefined,
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** The text of an entry: by its texts, which leaves its spelling alone, and where a name alone tells, by its values. */
const entryOf = (redactor: Redactor, bytes: Uint8Array): Uint8Array => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const once = redactor.text(text);
  const value = parsed(Buffer.from(once, "latin1").toString("utf8"));
  const shown = typeof value === "object" ? redactor.value(value) : value;
  if (shown !== value) return Buffer.from(JSON.stringify(shown), "utf8");
  return once === text ? bytes : Buffer.from(once, "latin1");
};

/** As the policy says at each moment; `raw`: as it is stored, for an owner who asked for it by name. */
export const shown = (how: { readonly raw?: boolean } = {}): Effect.Effect<Shown> =>
  how.raw === true
    ? Effect.succeed(asStored)
    : Effect.map(policyHere, (policy) => ({
        value: (value) => policy().shown?.value(value) ?? value,
        text: (text) => policy().shown?.text(text) ?? text,
        entry: (bytes) => {
          const redactor = policy().shown;
          return redactor === undefined ? bytes : entryOf(redactor, bytes);
        },
        rules: () => policy().shown,
      }));

/** Places of columns, those of one name in groups of their own: a join has two of `text`. */
const groupsOf = (columns: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<number>> => {
  const seen = new Map<string, number>();
  const groups: Array<Array<number>> = [];
  for (const [at, name] of columns.entries()) {
    const before = seen.get(name) ?? 0;
    seen.set(name, before + 1);
    const group = groups[before];
    if (group === undefined) groups.push([at]);
    else group.push(at);
  }
  return groups;
};

/** Rows of `sql`: values of a row stand under the names of its columns. */
const rowShown = (columns: ReadonlyArray<string>, { value }: Shown) => {
  const groups = groupsOf(columns);
  return <Row extends ReadonlyArray<unknown>>(row: Row): Row => {
    let shownRow: Array<unknown> | undefined;
    for (const group of groups) {
      const named = Object.fromEntries(group.map((at) => [columns[at] ?? "", row[at]]));
      const redacted = value(named);
      if (redacted === named) continue;
      shownRow ??= [...row];
      for (const at of group) shownRow[at] = redacted[columns[at] ?? ""] ?? row[at];
    }
    return (shownRow ?? row) as unknown as Row;
  };
};

/** Questions whose answers may be shown. The parts that the store itself needs (ids, tenants, queues) stay as they were. */
export const shownQuery = (query: Query["Service"], how: Shown): Query["Service"] => {
  if (how === asStored) return query;
  const { value } = how;
  const shows =
    <Args extends ReadonlyArray<unknown>, A, E, R>(ask: (...args: Args) => Effect.Effect<A, E, R>) =>
    (...args: Args) =>
      Effect.map(ask(...args), value);
  const rows = (result: Selected): Selected => ({
    ...result,
    rows: result.rows.map(rowShown(result.columns, how)),
  });
  return Query.of({
    ...query,
    threads: shows(query.threads),
    histories: shows(query.histories),
    search: (filter) => Effect.map(query.search({ ...filter, shown: how.text }), value),
    thread: shows(query.thread),
    messages: shows(query.messages),
    toolCalls: shows(query.toolCalls),
    compactions: shows(query.compactions),
    files: shows(query.files),
    tasks: shows(query.tasks),
    task: shows(query.task),
    sessions: shows(query.sessions),
    sql: (...args) =>
      Effect.map(query.sql(...args), (result) => ({
        ...result,
        rows: Stream.map(result.rows, rowShown(result.columns, how)),
      })),
    select: (...args) => Effect.map(query.select(...args), rows),
    selectLong: (...args) => Effect.map(query.selectLong(...args), rows),
  });
};
