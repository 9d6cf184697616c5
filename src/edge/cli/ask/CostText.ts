/**
 * Tokens and cost in one line of text.
 *
 * Room: edge.
 */
import type { CostLine, Spending } from "../../../query/report/CostStatement.ts";
import { dollars } from "./Dollars.ts";

const suffixes = ["", "k", "M", "G", "T"] as const;

/** `950`, `12.3k`, `55.6M`. */
const short = (count: number): string => {
  let value = count;
  let step = 0;
  while (value >= 1000 && step < suffixes.length - 1) {
    value /= 1000;
    step++;
  }
  return `${step === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)}${suffixes[step] ?? ""}`;
};

const spent = ({ costUsd, inputTokens, outputTokens }: Spending): string => {
  const tokens = `${short(inputTokens)} in, ${short(outputTokens)} out`;
  return costUsd === null ? tokens : `${dollars(costUsd)} (${tokens})`;
};

export const lineOf = ({ session, sevenDays, thirtyDays, today }: CostLine): string =>
  [
    ...(session === undefined ? [] : [`session ${spent(session)}`]),
    `today ${spent(today)}`,
    `7 days ${spent(sevenDays)}`,
    `30 days ${spent(thirtyDays)}`,
  ].join(" · ");

/** For a status line, where there is little room: the session, else today. */
export const statusOf = ({ session, today }: CostLine): string =>
  session === undefined ? `today ${spent(today)}` : `${spent(session)} · today ${spent(today)}`;
