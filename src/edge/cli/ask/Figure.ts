/**
 * A value with its unit as a person reads it.
 *
 * Room: edge.
 */
import type { Value } from "../../../query/Sql.ts";
import type { Unit } from "../../../query/report/Unit.ts";
import { grouped } from "../../../domain/Grouped.ts";
import * as Output from "../Output.ts";
import { dollars } from "./Dollars.ts";

/** JSON has no 64-bit integers, no bytes and no infinity: what does not fit a number is text, bytes are hexadecimal. */
export const plain = (value: Value): unknown => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};

const share = (value: number): string => `${(value * 100).toFixed(1)} %`;

const amount = (value: number): string => {
  if (Number.isInteger(value) && Math.abs(value) < 1000) return String(value);
  return grouped(value, Math.abs(value) < 1 ? 4 : 2);
};

/** Plain and short text, which needs no further look. */
const plainAscii = /^[\x21-\x7E]+(?: [\x21-\x7E]+)*$/;

const text = (value: Value, width: number): string => {
  const whole = String(plain(value));
  return whole.length <= width && plainAscii.test(whole) ? whole : Output.clip(whole, width);
};

/** One date in a time zone: `2026-11-23 09:05:54`. Absent: UTC. */
export const momentIn = (zone: string | undefined): ((millis: number) => string) => {
  if (zone === undefined) return Output.moment;
  const date = new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short", timeStyle: "medium" });
  return (millis) => (Output.moment(millis) === "-" ? "-" : date.format(millis));
};

/** For a terminal, without what would move its cursor. Longer than `width`: cut. */
export const figure = (
  value: Value,
  unit: Unit,
  options: { readonly width: number; readonly moment: (millis: number) => string },
): string => {
  if (value === null) return "";
  if (typeof value !== "number") return text(value, options.width);
  switch (unit) {
    case "bytes":
      return Output.bytes(value);
    case "millis":
      return Output.duration(value);
    case "usd":
      return dollars(value);
    case "share":
      return share(value);
    case "moment":
      return options.moment(value);
    case "number_of":
      return String(value);
    default:
      return amount(value);
  }
};
