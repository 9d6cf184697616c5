/**
 * Tokens and cost of one session and of the last days, as one statement over sums: all numbers are of one moment.
 *
 * Room: query.
 *
 * Without imports that cost time: a prompt line asks it at each prompt.
 */
import type { Value } from "../Sql.ts";

export interface Spending {
  /** Tokens sent, with what the cache gave. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** As the transcripts say it; null where none does. */
  readonly costUsd: number | null;
}

export interface CostLine {
  /** Of the thread that was named; absent: none was. */
  readonly session?: Spending;
  readonly today: Spending;
  readonly sevenDays: Spending;
  readonly thirtyDays: Spending;
}

export interface CostRequest {
  readonly tenant: string;
  /** Beginning of the day in the asker's time zone, epoch milliseconds. Days are today and those before it. */
  readonly today: number;
  readonly session?: string | undefined;
}

const dayMillis = 86_400_000;

const sums =
  "coalesce(sum(a.input_tokens), 0), coalesce(sum(a.output_tokens), 0), sum(a.cost_usd) FROM v_token_activity a WHERE a.tenant = :tenant";

export const costStatement = `SELECT 'session', ${sums} AND a.thread_id = :session
  UNION ALL SELECT 'today', ${sums} AND a.quarter_at >= :today
  UNION ALL SELECT 'sevenDays', ${sums} AND a.quarter_at >= :sevenDays
  UNION ALL SELECT 'thirtyDays', ${sums} AND a.quarter_at >= :thirtyDays`;

export const costValues = ({ session, tenant, today }: CostRequest) => ({
  tenant,
  session: session ?? "",
  today,
  sevenDays: today - 6 * dayMillis,
  thirtyDays: today - 29 * dayMillis,
});

export const costOf = (rows: ReadonlyArray<ReadonlyArray<Value>>, { session }: CostRequest): CostLine => {
  const of = (name: string): Spending => {
    const [, input, output, cost] = rows.find(([one]) => one === name) ?? [];
    return {
      inputTokens: Number(input ?? 0),
      outputTokens: Number(output ?? 0),
      costUsd: cost == null ? null : Number(cost),
    };
  };
  const line: CostLine = { today: of("today"), sevenDays: of("sevenDays"), thirtyDays: of("thirtyDays") };
  return session === undefined ? line : { session: of("session"), ...line };
};
