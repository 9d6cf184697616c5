/**
 * Folding: a batch of log entries becomes the changes of each projection, and those become packed rows.
 *
 * Room: projection.
 *
 * Everything that needs no write lock: interpreting and packing cost as much as SQLite's work for a small event, so
 * one batch is folded here while the one before it is written in another thread. Plain functions: an Effect per row
 * would add its own cost.
 */
import { Result } from "effect";
import { isMisfit, type LogEntry, type RecordedEvent } from "../../domain/Event.ts";
import type { Fact } from "../../domain/Fact.ts";
import { noCarry } from "../../domain/interpret/Interpreter.ts";
import { inItsTime } from "../../domain/EntryTimes.ts";
import { factsOf, isForeign } from "../../domain/Interpret.ts";
import type { InterpreterMemory, Kept } from "./InterpreterMemorySqlite.ts";
import type { Mark } from "../Chain.ts";
import { carriesTable, chainsTable, deadLettersTable } from "../EngineSqlite.ts";
import { RowRefused } from "./TableRows.ts";
import type { RowBatch } from "./RowBatch.ts";
import * as RowPacker from "./RowPacker.ts";
import type { Change, Projection, RowChange } from "../Projection.ts";
import { quoting, type Quoting } from "./Quote.ts";
import type { Incoming } from "../ReadModel.ts";

/** In `dead_letters`: the event itself cannot be read, so that no projection but the ledger has it. */
const everyProjection = "*";

/** Longest reason kept with a dead letter, in UTF-16 units: a schema's complaint can hold the whole body. */
const maxReason = 2000;

/** Changes of one projection for one entry: written as a whole or, with a dead letter, not at all. */
interface Unit {
  readonly projection: string;
  readonly entry: LogEntry;
  readonly changes: ReadonlyArray<Change>;
}

/** Units that are not to be written, by `nameOf`, and why. */
export type Refusals = ReadonlyMap<string, string>;

export const nameOf = ({ entry, projection }: Pick<Unit, "entry" | "projection">): string =>
  `${entry.sequence} ${projection}`;

export interface Folded {
  readonly packed: RowBatch;
  readonly carries: ReadonlyArray<Kept>;
}

export interface Folding {
  readonly carries: InterpreterMemory;
  readonly incoming: ReadonlyArray<Incoming>;
  readonly now: number;
  /** Marks of the running hash, for the engine. */
  readonly marks: ReadonlyArray<Mark>;
}

type Understood = { readonly facts: ReadonlyArray<Fact> } | { readonly reason: string };

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

const understand = ({ entry, refusal, whole }: Incoming, carries: InterpreterMemory): Understood => {
  if (isMisfit(entry)) return { reason: entry.problem };
  if (refusal !== undefined) return { reason: refusal };
  // Outside of the attempt: a file that cannot be read is no fault of the entry.
  const carry = isForeign(entry) ? carries.of(entry.history) : noCarry;
  try {
    const read = factsOf(whole ?? entry, carry);
    if (Result.isFailure(read)) return { reason: read.failure.reason };
    if (read.success.carry !== undefined) carries.keep(entry.history, read.success.carry);
    return { facts: read.success.facts };
  } catch (cause) {
    return { reason: `its interpreter failed: ${sentence(cause)}` };
  }
};

interface Said {
  readonly incoming: Incoming;
  readonly understood: Understood;
  readonly find: Quoting;
}

const concerns = ({ facts: kinds }: Projection, facts: ReadonlyArray<Fact>): boolean => {
  if (kinds === undefined) return true;
  for (const { _tag } of facts) if (kinds.includes(_tag)) return true;
  return false;
};

const nothing: ReadonlyArray<Change> = [];

/** Row changes of a projection for one entry. */
const changesOf = (projection: Projection, { find, incoming, understood }: Said): ReadonlyArray<Change> => {
  const recorded = projection.record?.(incoming.entry, "facts" in understood ? understood.facts : []) ?? nothing;
  if (isMisfit(incoming.entry) || "reason" in understood || !concerns(projection, understood.facts)) return recorded;
  const event: RecordedEvent = inItsTime(incoming.whole ?? incoming.entry);
  const handled = projection.handle(event, understood.facts, find);
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

const refused = ({ entry, projection }: Unit, reason: string, now: number): RowChange =>
  letterOf({ projection, entry, reason: `a row was refused: ${reason}`, now });

/** Interprets entries in order and hands on what each projection makes of them. A throw in one is its own dead letter. */
const interpret = (
  projections: ReadonlyArray<Projection>,
  { carries, incoming, now }: Folding,
  take: { readonly unit: (unit: Unit) => void; readonly letter: (letter: RowChange) => void },
): void => {
  for (const one of incoming) {
    const { entry } = one;
    const understood = understand(one, carries);
    if ("reason" in understood)
      take.letter(letterOf({ projection: everyProjection, entry, reason: understood.reason, now }));
    const said = { incoming: one, understood, find: quoting(entry.body) };
    for (const projection of projections) {
      let changes = nothing;
      try {
        changes = changesOf(projection, said);
      } catch (cause) {
        take.letter(
          letterOf({ projection: projection.name, entry, reason: `the projection failed: ${sentence(cause)}`, now }),
        );
      }
      if (changes.length > 0) take.unit({ projection: projection.name, entry, changes });
    }
  }
};

export interface Fold {
  /** Rows of all units but the refused ones, dead letters, and what interpreters remember. */
  readonly fold: (folding: Folding, refusals?: Refusals) => Folded;
  /** Each unit by itself, by name; the pack of one that does not fit its tables is empty. */
  readonly foldEach: (folding: Folding) => ReadonlyArray<{ readonly name: string; readonly packed: RowBatch }>;
}

const none: Refusals = new Map();

/**
 * Decision: rows are packed as they come and not kept, also not for the rare batch of which SQLite refuses a row: that
 * one is folded again. Rows of three batches that lay in memory as objects took a third of the projector's time in
 * garbage collection, and 300 MB.
 */
export const make = (projections: ReadonlyArray<Projection>): Fold => {
  const packer = RowPacker.make([
    ...projections.flatMap(({ tables }) => tables),
    carriesTable,
    chainsTable,
    deadLettersTable,
  ]);
  /** Adds a unit, or answers why it cannot be packed. */
  const add = (changes: ReadonlyArray<Change>): string | undefined => {
    try {
      packer.add(changes);
      return undefined;
    } catch (cause) {
      if (cause instanceof RowRefused) return cause.message;
      throw cause;
    }
  };
  return {
    fold: (folding, refusals = none) => {
      const { carries, now } = folding;
      const letters: Array<RowChange> = [];
      interpret(projections, folding, {
        letter: (letter) => letters.push(letter),
        unit: (unit) => {
          const reason = (refusals.size > 0 ? refusals.get(nameOf(unit)) : undefined) ?? add(unit.changes);
          if (reason !== undefined) letters.push(refused(unit, reason, now));
        },
      });
      packer.add(letters);
      packer.add(folding.marks.map(({ chain, sequence }) => ({ table: chainsTable.name, row: { sequence, chain } })));
      const kept = carries.take();
      packer.add(
        kept.map(({ carry, history }) => ({
          table: carriesTable.name,
          row: { thread_id: history.id, tenant: history.tenant, carry: JSON.stringify(carry) },
        })),
      );
      return { packed: packer.take(), carries: kept };
    },
    foldEach: (folding) => {
      const each: Array<{ readonly name: string; readonly packed: RowBatch }> = [];
      interpret(projections, folding, {
        letter: () => undefined,
        unit: (unit) => {
          add(unit.changes);
          each.push({ name: nameOf(unit), packed: packer.take() });
        },
      });
      return each;
    },
  };
};
