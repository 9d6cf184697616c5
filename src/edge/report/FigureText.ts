/**
 * A value with its unit in a page.
 *
 * Room: edge.
 */
import type { Unit } from "../../query/report/Unit.ts";
import type { Value } from "../../query/Sql.ts";
import { figure, momentIn } from "../cli/ask/Figure.ts";

/** A text longer than this is cut. */
const longest = 160;

export const textOf = (value: Value, unit: Unit, zone?: string): string =>
  figure(value, unit, { width: longest, moment: momentIn(zone) });
