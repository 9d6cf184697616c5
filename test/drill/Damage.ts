/**
 * The damage drill: numbered faults, planted one at a time in a store of its own, each noticed, named and mended by the
 * product's own commands.
 *
 * Promises, for each fault: a command notices it and names the place; no program reads what was never said; no command
 * goes on for ever; after the mend `verify` finds everything equal, and every event that any copy still had is there, or
 * is named as lost where no copy had it.
 */
import { rmSync } from "node:fs";
import { dice } from "./Dice.ts";
import { catalogue, type Numbered } from "./damage/Catalogue.ts";
import { judge, type Verdict } from "./damage/Judge.ts";
import * as Stores from "./damage/Stores.ts";

export interface Options {
  readonly faults: ReadonlyArray<Numbered>;
  readonly seeds: ReadonlyArray<number>;
  /** Faults at the same time. */
  readonly atOnce: number;
  /** After so long no further fault is planted. Default: all are. */
  readonly minutes?: number;
  /** Folder in which the stores are kept for the next run. Default: they are made anew, and removed when all is well. */
  readonly stores?: string | undefined;
  readonly say: (line: string) => void;
  readonly onVerdict?: (verdict: Verdict) => void;
}

export interface Outcome {
  readonly verdicts: ReadonlyArray<Verdict>;
  /** What is not as promised; empty when all is well. */
  readonly faults: ReadonlyArray<string>;
  /** Kept when there are faults. */
  readonly folder: string;
  readonly seconds: number;
}

/** Numbers and ranges of numbers, such as `7,20-31`. */
const isIn = (numbers: string, number: number): boolean =>
  numbers.split(",").some((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return first !== undefined && last !== undefined && number >= first && number <= last;
  });

/** All of them, those of some numbers, or those of the short form. */
export const chosen = (options: { readonly numbers?: string; readonly isShort?: boolean }) =>
  catalogue.filter(({ isShort, number }) =>
    options.numbers === undefined || options.numbers === ""
      ? options.isShort !== true || isShort === true
      : isIn(options.numbers, number),
  );

const sentence = ({ fault, mend, noticed, problems, reads, seconds, seed }: Verdict): string => {
  const by = noticed === undefined ? "not noticed" : `${noticed.by} after ${(noticed.millis / 1000).toFixed(1)} s`;
  const read = `reads ${reads.true} true, ${reads.refused} refused, ${reads.wrong} wrong`;
  const is = problems.length === 0 ? "as promised" : `NOT as promised: ${problems.join("; ")}`;
  return `${fault.number} (${seed}) ${fault.group}: ${fault.title}: ${by}, mended ${mend}, ${read}, ${seconds.toFixed(0)} s: ${is}`;
};

/** In an order of the seed's, so that a run which is ended early has some of everything. */
const mixed = (faults: ReadonlyArray<Numbered>, seed: number): ReadonlyArray<Numbered> => {
  const from = dice(seed);
  return faults
    .map((fault) => ({ fault, at: from.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ fault }) => fault);
};

export const run = async ({
  atOnce,
  faults,
  minutes = Infinity,
  onVerdict,
  say,
  seeds,
  stores: kept,
}: Options): Promise<Outcome> => {
  const began = performance.now();
  const stores = await Stores.make(say, kept);
  const rounds = seeds.flatMap((seed) => mixed(faults, seed).map((fault) => ({ fault, seed })));
  const verdicts: Array<Verdict> = [];
  const next = rounds.values();
  const work = async (): Promise<void> => {
    for (const { fault, seed } of next) {
      if (performance.now() - began > minutes * 60_000) return;
      const verdict = await judge(stores, fault, seed);
      verdicts.push(verdict);
      onVerdict?.(verdict);
      say(sentence(verdict));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  const bad = verdicts.filter(({ problems }) => problems.length > 0);
  if (bad.length === 0 && kept === undefined) rmSync(stores.folder, { recursive: true, force: true });
  return {
    verdicts: verdicts.toSorted((a, b) => a.fault.number - b.fault.number || a.seed - b.seed),
    faults: bad.map(sentence),
    folder: stores.folder,
    seconds: (performance.now() - began) / 1000,
  };
};

/** Figures of a run, by what happened. */
export const counted = (verdicts: ReadonlyArray<Verdict>) => ({
  planted: verdicts.length,
  noticed: verdicts.filter(({ noticed }) => noticed !== undefined).length,
  byItself: verdicts.filter(({ mend, problems }) => mend === "by itself" && problems.length === 0).length,
  mended: verdicts.filter(({ mend, problems }) => mend !== "by itself" && problems.length === 0).length,
  failed: verdicts.filter(({ problems }) => problems.length > 0).length,
  wrongReads: verdicts.reduce((sum, { reads }) => sum + reads.wrong, 0),
  trueReads: verdicts.reduce((sum, { reads }) => sum + reads.true, 0),
  refusedReads: verdicts.reduce((sum, { reads }) => sum + reads.refused, 0),
});
