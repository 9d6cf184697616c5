/**
 * Numbers of a store judged by thresholds, and the judgement as monitors read it.
 *
 * Room: edge.
 *
 * Pure. States and exit codes are those of the Monitoring Plugins Guidelines: 0 ok, 1 warning, 2 critical, 3 unknown.
 */
import { mostUsed } from "../../../coordination/quotas/TenantQuotas.ts";
import { type Named, severityOf } from "./Named.ts";
import type { MachineNumbers, StoreNumbers } from "./StoreNumbers.ts";

export type State = "ok" | "warning" | "critical" | "unknown";
export const codeOf: Readonly<Record<State, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 };

type Unit = "events" | "ms" | "B" | "%" | "flag" | "copies";

interface Measure {
  readonly name: string;
  readonly unit: Unit;
  /** Side of the thresholds that is bad. */
  readonly isBad: "above" | "below";
  readonly warning: number | undefined;
  readonly critical: number | undefined;
  readonly help: string;
  /** Null: not known, or nothing there that could be measured; never judged. */
  readonly of: (numbers: Numbers) => number | null;
}

/** Numbers under judgement: the machine's always, the store's where it could be asked. */
export interface Numbers {
  readonly now: number;
  readonly machine: MachineNumbers;
  readonly store: StoreNumbers | undefined;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const MiB = 2 ** 20;

const most = (values: ReadonlyArray<number> | undefined): number | null =>
  values === undefined ? null : Math.max(0, ...values);

const flag = (value: boolean | undefined): number | null => (value === undefined ? null : value ? 1 : 0);

/** A flag is bad below 1: `warning: 1` warns of a 0. */
export const measures: ReadonlyArray<Measure> = [
  {
    name: "gap",
    unit: "events",
    isBad: "above",
    warning: 10_000,
    critical: 1_000_000,
    help: "Events that the read model furthest behind has not applied",
    of: ({ store }) => most(store?.projections.map(({ gap }) => gap)),
  },
  {
    name: "lag",
    unit: "ms",
    isBad: "above",
    warning: minute,
    critical: 15 * minute,
    help: "Age of the oldest event that a read model has not applied",
    of: ({ store }) => most(store?.projections.map(({ lagMillis }) => lagMillis)),
  },
  {
    name: "dead-letters",
    unit: "events",
    isBad: "above",
    warning: 0,
    critical: undefined,
    help: "Events that a read model refused",
    of: ({ store }) => store?.projections.reduce((sum, { deadLetters }) => sum + deadLetters, 0) ?? null,
  },
  {
    name: "spool-age",
    unit: "ms",
    isBad: "above",
    warning: 15 * minute,
    critical: day,
    help: "Age of the oldest event that waits in the spool",
    of: ({ machine: { spool }, now }) =>
      spool === null ? null : spool.oldestAt === null ? 0 : Math.max(0, now - spool.oldestAt),
  },
  {
    name: "spool-waiting",
    unit: "events",
    isBad: "above",
    warning: undefined,
    critical: undefined,
    help: "Events that wait in the spool",
    of: ({ machine }) => machine.spool?.waiting ?? null,
  },
  {
    name: "spool-set-aside",
    unit: "events",
    isBad: "above",
    warning: 0,
    critical: undefined,
    help: "Events of the spool that the log cannot or must not take",
    of: ({ machine }) => machine.spool?.setAside ?? null,
  },
  {
    name: "spool-lost",
    unit: "events",
    isBad: "above",
    warning: undefined,
    critical: 0,
    help: "Events accepted into the spool that are missing from it or damaged",
    of: ({ machine: { spool } }) => (spool === null ? null : spool.lost + spool.damaged),
  },
  {
    name: "disk-free",
    unit: "%",
    isBad: "below",
    warning: 10,
    critical: 5,
    help: "Free part of the disk that holds the data folder",
    of: ({ machine }) => machine.disk?.freePercent ?? null,
  },
  {
    name: "wal-size",
    unit: "B",
    isBad: "above",
    warning: 64 * MiB,
    critical: 1024 * MiB,
    help: "Write-ahead logs of the database and the spool together",
    of: ({ machine: { wal } }) => wal.databaseBytes + wal.spoolBytes,
  },
  {
    name: "scrub-age",
    unit: "ms",
    isBad: "above",
    warning: 26 * hour,
    critical: 7 * day,
    help: "Time since the last whole comparison of stream and ledger, or since the stream was made",
    of: ({ now, store }) => {
      const since = store === undefined || store.scrub.passes > 0 ? store?.scrub.finishedAt : store.stream?.created;
      return since === undefined ? null : Math.max(0, now - since);
    },
  },
  {
    name: "quorum",
    unit: "flag",
    isBad: "below",
    warning: undefined,
    critical: 1,
    help: "1 while enough copies of the stream are there to append to it",
    of: ({ store }) => flag(store?.replicas?.hasQuorum),
  },
  {
    name: "replicas-missing",
    unit: "copies",
    isBad: "above",
    warning: 0,
    critical: undefined,
    help: "Copies of the stream that are configured and not current",
    of: ({ store }) => (store?.replicas == null ? null : store.replicas.wanted - store.replicas.current),
  },
  {
    name: "fsync",
    unit: "flag",
    isBad: "below",
    warning: 1,
    critical: undefined,
    help: "1 where acknowledged means on disk (sync_interval always); unknown on somebody else's server",
    of: ({ store }) => (store?.nats.syncInterval == null ? null : flag(store.nats.syncInterval === "always")),
  },
  {
    name: "snapshots",
    unit: "flag",
    isBad: "below",
    warning: 1,
    critical: undefined,
    help: "1 while the snapshots can be used",
    of: ({ store }) => flag(store?.snapshots.reachable),
  },
  {
    name: "quota",
    unit: "%",
    isBad: "above",
    warning: 90,
    critical: undefined,
    help: "Largest used share of a tenant's quota of bytes or threads; unknown where there is none",
    of: ({ store }) => (store === undefined ? null : mostUsed(store.quotas)),
  },
  {
    name: "credentials",
    unit: "ms",
    isBad: "below",
    warning: 14 * day,
    critical: 2 * day,
    help: "Time until the credentials of this command end; unknown where they never do",
    of: ({ now, store }) => (store?.credentials.endsAt == null ? null : store.credentials.endsAt - now),
  },
];

/** Thresholds given in place of the usual ones, by name; undefined: none. */
export type Thresholds = ReadonlyMap<string, number | undefined>;

export interface Row extends Omit<Measure, "of"> {
  readonly value: number | null;
  readonly state: State;
}

export interface Judged extends Named {
  readonly state: State;
}

export interface Report {
  readonly state: State;
  readonly rows: ReadonlyArray<Row>;
  readonly conditions: ReadonlyArray<Judged>;
}

const judge = (value: number | null, { critical, isBad, warning }: Omit<Measure, "of">): State => {
  if (value === null) return "unknown";
  const passes = (limit: number | undefined) =>
    limit !== undefined && (isBad === "above" ? value > limit : value < limit);
  return passes(critical) ? "critical" : passes(warning) ? "warning" : "ok";
};

const worst = (states: ReadonlyArray<State>): State => {
  const order: ReadonlyArray<State> = ["critical", "unknown", "warning"];
  return order.find((state) => states.includes(state)) ?? "ok";
};

/** Judges the numbers. An unknown one is not bad: a foreign server does not say how it syncs. */
export const reportOf = (
  numbers: Numbers & { readonly conditions: ReadonlyArray<Named> },
  given: { readonly warning: Thresholds; readonly critical: Thresholds; readonly ignored: ReadonlySet<string> },
): Report => {
  const rows = measures
    .filter(({ name }) => !given.ignored.has(name))
    .map(({ of, ...measure }): Row => {
      const { name } = measure;
      const warning = given.warning.has(name) ? given.warning.get(name) : measure.warning;
      const critical = given.critical.has(name) ? given.critical.get(name) : measure.critical;
      const limited = { ...measure, warning, critical };
      const value = of(numbers);
      return { ...limited, value, state: judge(value, limited) };
    });
  const conditions = numbers.conditions
    .filter(({ name }) => !given.ignored.has(name))
    .map((condition): Judged => ({ ...condition, state: severityOf(condition) }));
  const known = rows.filter(({ value }) => value !== null).map(({ state }) => state);
  return { state: worst([...known, ...conditions.map(({ state }) => state)]), rows, conditions };
};

const units: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1000,
  m: minute,
  h: hour,
  d: day,
  B: 1,
  KiB: 1024,
  MiB,
  GiB: 1024 * MiB,
  "%": 1,
};

/** `gap=500`, `lag=10m`, `wal-size=64MiB`, `disk-free=8%`, `scrub-age=off`; undefined for anything else. */
export const thresholdOf = (text: string): readonly [name: string, limit: number | undefined] | undefined => {
  const [, name = "", amount = "", unit = ""] = /^([a-z-]+)=(\d+(?:\.\d+)?|off)([A-Za-z%]*)$/.exec(text) ?? [];
  if (!measures.some((measure) => measure.name === name)) return undefined;
  if (amount === "off") return unit === "" ? [name, undefined] : undefined;
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined;
  return factor === undefined ? undefined : [name, Number(amount) * factor];
};
