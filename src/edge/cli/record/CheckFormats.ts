/**
 * The forms of a check's report: for a person, as JSON, for Nagios and its kin, for Prometheus.
 *
 * Room: edge.
 */
import * as Output from "../Output.ts";
import { codeOf, type Report, type Row } from "./CheckReport.ts";

const shownValue = (value: number | undefined | null, unit: Row["unit"]): string => {
  if (value == null) return "-";
  if (unit === "ms") return value < 0 ? `-${Output.duration(-value)}` : Output.duration(value);
  if (unit === "B") return Output.bytes(value);
  if (unit === "%") return `${value} %`;
  return unit === "flag" ? (value >= 1 ? "yes" : "no") : Output.count(value);
};

const limitOf = (row: Row, limit: number | undefined): string => {
  if (limit === undefined) return "-";
  if (row.unit === "flag") return "no";
  return `${row.isBad === "above" ? "over" : "under"} ${shownValue(limit, row.unit)}`;
};

export const text = ({ conditions, rows, state }: Report): ReadonlyArray<string> => [
  ...Output.table(
    ["state", "what", "value", "warning", "critical"],
    rows.map((row) => [
      row.state,
      row.name,
      shownValue(row.value, row.unit),
      limitOf(row, row.warning),
      limitOf(row, row.critical),
    ]),
  ),
  ...conditions.flatMap(({ hint, message, name, state: how }) => ["", `${how}  ${name}: ${message}`, `  ${hint}`]),
  "",
  state,
];

export const json = ({ conditions, rows, state }: Report) => ({
  state,
  code: codeOf[state],
  checks: rows.map(({ critical, help, isBad, name, state: how, unit, value, warning }) => ({
    name,
    state: how,
    value,
    unit,
    isBad,
    warning: warning ?? null,
    critical: critical ?? null,
    help,
  })),
  conditions,
});

const perfUnit: Readonly<Record<Row["unit"], string>> = {
  events: "",
  copies: "",
  flag: "",
  ms: "ms",
  B: "B",
  "%": "%",
};

/** As the guidelines write a range: `10` is bad above ten, `10:` below. */
const range = (limit: number | undefined, { isBad }: Row): string =>
  limit === undefined ? "" : isBad === "above" ? `${limit}` : `${limit}:`;

/** One line, its numbers behind the bar, and a line more for each condition. */
export const nagios = ({ conditions, rows, state }: Report): ReadonlyArray<string> => {
  const bad = [
    ...conditions.filter(({ state: how }) => how !== "ok").map(({ name }) => name),
    ...rows
      .filter(({ state: how, value }) => value !== null && how !== "ok")
      .map(({ name, unit, value }) => `${name} ${shownValue(value, unit)}`),
  ];
  const numbers = rows
    .filter(({ value }) => value !== null)
    .map(
      (row) => `${row.name}=${row.value}${perfUnit[row.unit]};${range(row.warning, row)};${range(row.critical, row)}`,
    );
  // A bar would begin the numbers.
  const plain = (words: string) => Output.clip(words, 500).replaceAll("|", "/");
  return [
    `RECOLLECT ${state.toUpperCase()} - ${plain(bad.length === 0 ? "all is well" : bad.join(", "))} | ${numbers.join(" ")}`,
    ...conditions.map(({ hint, message, name, state: how }) => plain(`${how} ${name}: ${message} ${hint}`)),
  ];
};

const label = (words: string) => words.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

const suffix: Readonly<Record<Row["unit"], string>> = {
  events: "_events",
  copies: "",
  flag: "",
  ms: "_seconds",
  B: "_bytes",
  "%": "_percent",
};

/** The text exposition format, for a textfile collector. Times are seconds. */
export const prometheus = ({ conditions, rows, state }: Report): ReadonlyArray<string> => [
  "# HELP recollect_state State of the store: 0 ok, 1 warning, 2 critical, 3 unknown",
  "# TYPE recollect_state gauge",
  `recollect_state ${codeOf[state]}`,
  ...rows
    .filter(({ value }) => value !== null)
    .flatMap(({ help, name, unit, value }) => {
      const metric = `recollect_${name.replaceAll("-", "_")}${suffix[unit]}`;
      const amount = unit === "ms" ? (value ?? 0) / 1000 : value;
      return [`# HELP ${metric} ${help}`, `# TYPE ${metric} gauge`, `${metric} ${amount}`];
    }),
  "# HELP recollect_condition A condition that stands, by name: 0 told only, 1 warning, 2 critical",
  "# TYPE recollect_condition gauge",
  ...new Set(
    conditions.map(
      ({ field, name, state: how }) =>
        `recollect_condition{name="${label(name)}"${field === null ? "" : `,field="${label(field)}"`}} ${codeOf[how]}`,
    ),
  ),
];
