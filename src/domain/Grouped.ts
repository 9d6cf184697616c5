/**
 * Numbers for people, in groups of three digits: `12,345.6`.
 *
 * Room: domain.
 *
 * Written without `Intl`, whose first use costs 10 to 20 ms of processor in a process: half of a bare Node's start.
 */

/** At most `most` digits behind the point, at least `least` of them. */
export const grouped = (value: number | bigint, most = 0, least = 0): string => {
  const [whole = "", part = ""] = (typeof value === "bigint" ? String(value) : value.toFixed(most)).split(".");
  const digits = part.replace(/0+$/, "").padEnd(least, "0");
  return `${whole.replaceAll(/\B(?=(?:\d{3})+$)/g, ",")}${digits === "" ? "" : `.${digits}`}`;
};

/** A number with its unit, each a thousand of the one before: of what rounds to 1,000 it is one of the next. */
export const scaled = (value: number, units: ReadonlyArray<string>): string => {
  let rest = value;
  let unit = 0;
  while (Math.abs(rest) >= 999.5 && unit < units.length - 1) {
    rest /= 1000;
    unit++;
  }
  return `${rest.toFixed(unit === 0 || Math.abs(rest) >= 99.95 ? 0 : 1)}${units[unit] ?? ""}`;
};
