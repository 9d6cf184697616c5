/**
 * Folding: a batch of log entries becomes the changes of each projection, and those become packed rows.
 *
 * Room: projection. In: domain, Projection, Packer, CarriesSqlite. Out: ReadModelSqlite.
 *
 * Everything that needs no write lock: interpreting and packing cost as much as SQLite's work for a small event, so
 * one batch is folded here while the one before it is written in another thread. Plain functions: an Effect per row
 * would add its own cost.
 */
import { Result } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../domain/Event.ts";
import type { Fact } from "../domain/Fact.ts";
import { factsOf } from "../domain/Interpret.ts";
import type { Carries, Kept } from "./CarriesSqlite.ts";
import { carriesTable, deadLettersTable } from "./EngineSqlite.ts";
import type { Packed } from "./Packed.ts";
import * as Packer from "./Packer.ts";
import type { Change, Projection, RowChange } from "./Projection.ts";
import type { Incoming } from "./ReadModel.ts";

/** In `dead_letters`: the event itself cannot be read, so that no projection but the ledger has it. */
const everyProjection = "*";

/** Longest reason kept with a dead letter, in UTF-16 units: a schema's complaint can hold the whole body. */
const maxReason = 2000;

/** What one projection makes of one entry: written as a whole or, with a dead letter, not at all. */
export interface Unit {
  readonly projection: string;
  readonly entry: LogEntry;
  readonly changes: ReadonlyArray<Change>;
}

export interface Folded {
  readonly units: ReadonlyArray<Unit>;
  readonly letters: ReadonlyArray<RowChange>;
  readonly carries: ReadonlyArray<Kept>;
}

type Understood = { readonly facts: ReadonlyArray<Fact> } | { readonly reason: string };

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const understand = ({ entry, refusal, whole }: Incoming, carries: Carries): Understood => {
  if (isMisfit(entry)) return { reason: entry.problem };
  if (refusal !== undefined) return { reason: refusal };
  // Outside of the attempt: a file that cannot be read is no fault of the entry.
  const carry = carries.of(entry.history);
  try {
    const read = factsOf(whole ?? entry, carry);
    if (Result.isFailure(read)) return { reason: read.failure.reason };
    if (read.success.carry !== undefined) carries.keep(entry.history, read.success.carry);
    return { facts: read.success.facts };
  } catch (cause) {
    return { reason: `its interpreter failed: ${sentence(cause)}` };
  }
};

/** What a projection says of one entry. */
const changesOf = (projection: Projection, incoming: Incoming, understood: Understood): ReadonlyArray<Change> => {
  const recorded = projection.record?.(incoming.entry) ?? [];
  if (isMisfit(incoming.entry) || "reason" in understood) return recorded;
  const event: RecordedEvent = incoming.whole ?? incoming.entry;
  const handled = projection.handle(event, understood.facts);
  return recorded.length === 0 ? handled : [...recorded, ...handled];
};

const letterOf = (options: {
  readonly projection: string;
  readonly entry: LogEntry;
  readonly reason: string;
  readonly now: number;
}): RowChange => {
  const { entry, now, projection, reason } = options;
  const place = isMisfit(entry)
    ? {}
    : { tenant: entry.history.tenant, kind: entry.history.kind, history_id: entry.history.id };
  const row = {
    sequence: entry.sequence,
    projection,
    ...place,
    reason: reason.slice(0, maxReason),
    attempts: 1,
    at: now,
  };
  return { table: deadLettersTable.name, row };
};

/** Interprets entries in order. A throw in a projection is its own dead letter. */
export const fold = (options: {
  readonly projections: ReadonlyArray<Projection>;
  readonly carries: Carries;
  readonly incoming: ReadonlyArray<Incoming>;
  readonly now: number;
}): Folded => {
  const { carries, now, projections } = options;
  const units: Array<Unit> = [];
  const letters: Array<RowChange> = [];
  for (const incoming of options.incoming) {
    const { entry } = incoming;
    const understood = understand(incoming, carries);
    if ("reason" in understood)
      letters.push(letterOf({ projection: everyProjection, entry, reason: understood.reason, now }));
    for (const projection of projections) {
      try {
        const changes = changesOf(projection, incoming, understood);
        if (changes.length > 0) units.push({ projection: projection.name, entry, changes });
      } catch (cause) {
        const reason = `the projection failed: ${sentence(cause)}`;
        letters.push(letterOf({ projection: projection.name, entry, reason, now }));
      }
    }
  }
  return { units, letters, carries: carries.take() };
};

const refused = ({ entry, projection }: Unit, reason: string, now: number): RowChange =>
  letterOf({ projection, entry, reason: `a row was refused: ${reason}`, now });

export interface Packing {
  readonly pack: (folded: Folded, now: number) => Packed;
  /** Each unit by itself; empty for one that cannot be packed. */
  readonly packEach: (folded: Folded) => ReadonlyArray<Packed>;
}

export const packing = (projections: ReadonlyArray<Projection>): Packing => {
  const packer = Packer.make([...projections.flatMap(({ tables }) => tables), carriesTable, deadLettersTable]);
  /** Adds a unit, or answers why it cannot be packed. */
  const add = (changes: ReadonlyArray<Change>): string | undefined => {
    try {
      packer.add(changes);
      return undefined;
    } catch (cause) {
      if (cause instanceof Packer.RowRefused) return cause.message;
      throw cause;
    }
  };
  return {
    pack: ({ carries, letters, units }, now) => {
      for (const unit of units) {
        const reason = add(unit.changes);
        if (reason !== undefined) packer.add([refused(unit, reason, now)]);
      }
      packer.add(letters);
      packer.add(
        carries.map(({ carry, history }) => ({
          table: carriesTable.name,
          row: { thread_id: history.id, tenant: history.tenant, carry: JSON.stringify(carry) },
        })),
      );
      return packer.take();
    },
    packEach: ({ units }) =>
      units.map(({ changes }) => {
        add(changes);
        return packer.take();
      }),
  };
};

/** Without the units that SQLite refuses, and with their dead letters. */
export const without = (
  folded: Folded,
  refusals: ReadonlyArray<{ readonly unit: number; readonly reason: string }>,
  now: number,
): Folded => {
  const reasons = new Map(refusals.map(({ reason, unit }) => [unit, reason]));
  const letters = folded.units.flatMap((unit, index) => {
    const reason = reasons.get(index);
    return reason === undefined ? [] : [refused(unit, reason, now)];
  });
  return {
    ...folded,
    units: folded.units.filter((_, index) => !reasons.has(index)),
    letters: [...folded.letters, ...letters],
  };
};
