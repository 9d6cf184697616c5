/**
 * Money: cents from a dollar on, else as much as says something.
 *
 * Room: edge.
 */

// Made once each, when first needed: one for each number took three quarters of the time of a long table.
const digits = (most: number, least: number) =>
  new Intl.NumberFormat("en-US", { maximumFractionDigits: most, minimumFractionDigits: least });
let cents: Intl.NumberFormat | undefined;
let finer: Intl.NumberFormat | undefined;

export const dollars = (value: number): string => {
  if (Math.abs(value) >= 1 || value === 0) return `$${(cents ??= digits(2, 2)).format(value)}`;
  return `$${(finer ??= digits(4, 4)).format(value)}`;
};
