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
