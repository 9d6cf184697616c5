/**
 * Days and moments of a command line in a time zone.
 *
 * Room: edge.
 */
import { momentOf } from "../ParseTime.ts";

const day = /^\d{4}-\d\d-\d\d$/;

/** Offset of a zone from UTC at a moment, milliseconds. */
const offsetAt = (at: number, zone: string | undefined): number => {
  const parts = new Intl.DateTimeFormat("sv-SE", {
    ...(zone === undefined ? {} : { timeZone: zone }),
    dateStyle: "short",
    timeStyle: "medium",
  });
  return Date.parse(`${parts.format(at).replace(" ", "T")}Z`) - Math.floor(at / 1000) * 1000;
};

/** As `momentOf`; a day without an hour begins where it does in the zone. Absent zone: this machine's. */
export const momentInZone = (text: string, now: number, zone: string | undefined): number | undefined => {
  const at = momentOf(text, now);
  if (at === undefined || !day.test(text)) return at;
  // Twice, because the clock may have been changed between the two.
  const about = at - offsetAt(at, zone);
  return at - offsetAt(about, zone);
};
