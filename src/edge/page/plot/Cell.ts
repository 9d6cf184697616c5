/**
 * One cell of a table by the unit of its column, and where it leads: from a number to its rows, from a row to its event.
 *
 * Room: edge.
 */
import type { Value } from "../../../query/Sql.ts";
import type { Unit } from "../../../query/report/Unit.ts";
import { bytes, count, duration, folderName, line, money, shortId, since, threadPath } from "../html/Format.ts";
import { type Child, html } from "../html/Html.ts";

export const isNumber = (unit: Unit): boolean => unit !== "text" && unit !== "day" && unit !== "moment";

const numeric = (value: Value): number => Number(value ?? 0);

/** As a person reads it, without markup. */
export const cellText = (value: Value, unit: Unit): string => {
  if (value === null) return "";
  if (value instanceof Uint8Array) return `${count(value.byteLength)} bytes`;
  const number = typeof value === "string" ? Number.NaN : numeric(value);
  if (Number.isNaN(number)) return String(value);
  switch (unit) {
    case "count":
    case "tokens":
      return count(value as number | bigint);
    case "bytes":
      return bytes(number);
    case "millis":
      return duration(number);
    case "usd":
      return money(number);
    case "share":
      return `${(100 * number).toFixed(1)} %`;
    case "moment":
      return Math.abs(number) > 8.64e15 ? String(value) : new Date(number).toISOString().slice(0, 16).replace("T", " ");
    case "number":
      return Number.isInteger(number) ? count(value as number | bigint) : number.toFixed(Math.abs(number) < 10 ? 2 : 1);
    default:
      return String(value);
  }
};

/** The row as names and values. */
export type Row = Readonly<Record<string, Value>>;

const encoded = (value: Value): string => encodeURIComponent(String(value));

/** Link of a value of this column; undefined: none. */
const addressOf = (column: string, value: Value, row: Row): string | undefined => {
  if (value === null) return undefined;
  const tool = row["tool_name"];
  switch (column) {
    case "thread_id": {
      const path = threadPath(String(value), String(row["tenant"] ?? "default"));
      const at = row["sequence"];
      return at == null ? path : `${path}${path.includes("?") ? "&" : "?"}at=${encoded(at)}#m${encoded(at)}`;
    }
    case "task_id":
      return `/task/${encoded(value)}`;
    case "sequence":
    case "first_sequence":
    case "last_sequence":
    case "result_sequence":
      return `/event/${encoded(value)}`;
    case "tool_name":
    case "next_tool_name":
      return `/calls?tool=${encoded(value)}`;
    case "errors":
      return tool == null ? undefined : `/calls?tool=${encoded(tool)}&outcome=error`;
    case "unknown":
      return tool == null ? undefined : `/calls?tool=${encoded(tool)}&outcome=unknown`;
    case "cwd":
    case "project":
      return `/threads?project=${encoded(value)}`;
    case "model":
      return `/threads?model=${encoded(value)}`;
    case "client":
    case "agent":
      return `/threads?agent=${encoded(value)}`;
    case "path":
      return `/search?q=${encoded(folderName(String(value)))}&kind=file`;
    default:
      return undefined;
  }
};

/** Folders of one name are told apart by the one above. */
const lastFolders = (path: string): string =>
  path
    .split(/[/\\]/)
    .filter((part) => part !== "")
    .slice(-2)
    .join("/");

/** Files are told apart by their end, and a narrow cell shows the beginning. */
const fileName = (source: string): string => `…/${lastFolders(source)}`;

const shortText = (column: string, whole: string): string => {
  if (column === "cwd" || column === "project") return lastFolders(whole);
  return column === "source" && whole.startsWith("file://") ? fileName(whole) : line(shortId(whole), 120);
};

/** Content of a cell. */
export const cell = (column: { readonly name: string; readonly unit: Unit }, row: Row, now: number): Child => {
  const value = row[column.name] ?? null;
  if (value === null || value === "") return html`<span class="quiet">–</span>`;
  if (column.unit === "moment" && typeof value !== "string") return since(numeric(value), now);
  const whole = cellText(value, column.unit);
  const text = column.unit === "text" ? shortText(column.name, whole) : whole;
  const title = text === whole ? undefined : whole.slice(0, 1000);
  const address = addressOf(column.name, value, row);
  if (address !== undefined && whole !== "0")
    return html`<a href="${address}" ${title !== undefined && html` title="${title}"`}>${text}</a>`;
  return title === undefined ? text : html`<span title="${title}">${text}</span>`;
};
