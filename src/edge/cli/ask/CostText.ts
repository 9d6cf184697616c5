/**
 * Tokens and cost in one line of text.
 *
 * Room: edge.
 */
import type { CostLine, Spending } from "../../../query/report/CostStatement.ts";
import { scaled } from "../../../domain/Grouped.ts";
import { dollars } from "./Dollars.ts";

/** `950`, `12.3k`, `55.6M`. */
const short = (count: number): string => scaled(count, ["", "k", "M", "G", "T"]);

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
