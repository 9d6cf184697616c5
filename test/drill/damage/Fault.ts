/** What a fault of the damage drill is: data, and a function that plants it in a folder of its own. */
import type { Jsm } from "./Api.ts";
import type { Dice } from "../Dice.ts";
import type { Ended } from "./Command.ts";

/** Where faults are planted, in the order of the catalogue. */
export const groups = [
  "stream blocks",
  "stream blocks after kill -9",
  "index and meta files",
  "the folder nats",
  "stream changed by its API",
  "database file",
  "database rows and schema",
  "spool",
  "snapshots and buckets",
  "the data folder",
  "both copies",
  "compressed stream of an old version",
] as const;
export type Group = (typeof groups)[number];

/**
 * - `whole`: noticed, its place named, everything there again after the command that mends
 * - `harmless`: nothing that a reader sees changes; it need not be noticed, and nothing is lost
 * - `named`: no copy has it any more, so it is named as lost; everything else is there
 */
export const promises = {
  whole: "noticed and named; whole after the mend",
  harmless: "nothing lost, nothing wrong; need not be noticed",
  named: "what no copy has is named as lost; the rest is whole",
} as const;
export type Promised = keyof typeof promises;

/** The prepared store a fault is planted in. */
export type Base = "plain" | "spooled" | "compressed";

/** The folder of one fault, and what planting may use. */
export interface Place {
  readonly data: string;
  readonly dice: Dice;
  /** Copies of the store to take files from: of an earlier day, and of somebody else. */
  readonly older: string;
  readonly stranger: string;
  /** A command of the product on this folder. */
  readonly run: (words: ReadonlyArray<string>) => Promise<Ended>;
  /** A transcript that nobody has imported yet. */
  readonly fresh: string;
  /** Goes on with another folder. */
  readonly moveTo: (data: string) => void;
}

export interface Fault {
  readonly group: Group;
  readonly title: string;
  readonly promise: Promised;
  /** Default: `plain`. */
  readonly base?: Base;
  /** The store was in use and killed with -9 before: nothing was closed. */
  readonly isKilled?: true;
  /** Returns what exactly it changed. The store does not run. */
  readonly plant?: (place: Place) => string | Promise<string>;
  /** The same while `recollect up` runs, over the server's API. */
  readonly whileUp?: (place: Place, jsm: Jsm) => Promise<string>;
  /** Part of the short form that runs in CI. */
  readonly isShort?: true;
}
