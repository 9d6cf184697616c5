/**
 * The report of `recollect verify` for a person: one line when all is well, else each place and the command that mends it.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import * as Ranges from "../../../domain/SequenceRanges.ts";
import type { TableResult, Verified } from "../../../projection/verify/Verify.ts";
import * as Output from "../Output.ts";

/** Most lines of one kind; `--json` has up to a thousand. */
const most = 20;

const more = (all: number): Effect.Effect<void> =>
  all > most ? Output.note(`  … and ${Output.count(all - most)} more; --json lists up to 1,000`) : Effect.void;

const summary = (found: Verified, millis: number): string => {
  const events = found.upTo - found.from + 1;
  const tables = found.tables.length === 0 ? "" : `, ${found.tables.length} tables`;
  const part = found.tables.length === 0 ? ` (${found.from} to ${found.upTo})` : "";
  const accepted =
    found.accepted.length === 0 ? "" : `, ${Output.counted(found.accepted.length, "accepted loss", "accepted losses")}`;
  return `${found.ok ? "Equal" : "DIFFERENT"}: ${Output.counted(Math.max(0, events), "event")}${part}${tables}${accepted} (${Output.duration(millis)})`;
};

const isDifferent = ({ digest, expected }: TableResult): boolean => digest !== expected;

const places = Effect.fnUntraced(function* ({ differing, places: found }: Verified) {
  if (found.length === 0) return;
  yield* Output.note(`${Output.counted(differing, "event")} differ:`);
  for (const { count, first, kind, last, message } of found.slice(0, most)) {
    const where = first === last ? `${first}` : `${first} to ${last} (${Output.count(count)})`;
    yield* Output.note(`  ${where}  ${kind}: ${message}`);
  }
  yield* more(found.length);
});

const tables = Effect.fnUntraced(function* (found: Verified) {
  for (const { differing, name } of found.tables.filter(isDifferent)) {
    yield* Output.note(`Table ${name} differs from a fresh fold:`);
    for (const { key, kind } of differing.slice(0, most)) {
      const named = Object.entries(key).map(([column, value]) => `${column} ${value}`);
      yield* Output.note(`  ${kind}: ${named.join(", ")}`);
    }
    yield* more(differing.length);
  }
});

const details = Effect.fnUntraced(function* (found: Verified) {
  const { chain, deadLetters, ledger, stream } = found;
  yield* Output.line(
    `  stream  ${Output.counted(stream.messages, "event")}, sequences ${stream.firstSequence} to ${stream.lastSequence}, chain ${chain.stream}`,
  );
  yield* Output.line(
    `  ledger  ${Output.counted(ledger.rows, "row")}, sequences ${ledger.firstSequence} to ${ledger.lastSequence}, chain ${chain.ledger}`,
  );
  yield* Output.line(`  dead letters  ${Output.count(deadLetters)}; see v_dead_letters`);
  const rows = found.tables.map((table) => [
    table.name,
    String(table.rows),
    table.digest.slice(0, 16),
    isDifferent(table) ? `expected ${table.expected.slice(0, 16)}` : "",
  ]);
  for (const text of Output.table(["table", "rows", "digest", ""], rows)) yield* Output.line(`  ${text}`);
});

const remedies = Effect.fnUntraced(function* (found: Verified) {
  const kinds = new Set(found.places.map(({ kind }) => kind));
  if (kinds.has("stream") || kinds.has("both") || kinds.has("content"))
    yield* Output.note("Mend the stream with: recollect heal");
  if (kinds.has("ledger") || found.tables.some(isDifferent) || found.database.length > 0)
    yield* Output.note("Mend ledger, read models and file with: recollect rebuild");
});

export const report = Effect.fn("cli.verifyReport")(function* (
  found: Verified,
  options: { readonly millis: number; readonly isAll: boolean },
) {
  yield* Output.line(summary(found, options.millis));
  for (const { actor, events, occurredAt, ranges, reason } of found.accepted) {
    yield* Output.line(
      `  accepted as lost on ${Output.moment(occurredAt)} UTC by ${actor ?? "somebody"}: ${Output.counted(events, "event")} (${Ranges.text(ranges)}): ${reason}`,
    );
  }
  if (options.isAll) yield* details(found);
  if (found.ok) return;
  yield* places(found);
  yield* tables(found);
  for (const { message, what } of found.database.slice(0, most)) yield* Output.note(`  ${what}: ${message}`);
  yield* more(found.database.length);
  if (found.condition !== undefined) yield* Output.note(`  ${found.condition.message}\n  ${found.condition.hint}`);
  yield* remedies(found);
});
