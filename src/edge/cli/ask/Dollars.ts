/**
 * Money: cents from a dollar on, else as much as says something.
 *
 * Room: edge.
 */
import { grouped } from "../../../domain/Grouped.ts";

export const dollars = (value: number): string =>
  `$${Math.abs(value) >= 1 || value === 0 ? grouped(value, 2, 2) : grouped(value, 4, 4)}`;
