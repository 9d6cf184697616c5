/**
 * Tokens and cost of one session and of the last days: few numbers, from sums, for a prompt line.
 *
 * Room: query.
 */
import { Effect } from "effect";
import { Query } from "../Query.ts";

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

const dayMillis = 86_400_000;

const sums =
  "coalesce(sum(a.input_tokens), 0), coalesce(sum(a.output_tokens), 0), sum(a.cost_usd) FROM v_token_activity a WHERE a.tenant = :tenant";

/** One statement, so that all numbers are of one moment. */
const statement = `SELECT 'session', ${sums} AND a.thread_id = :session
  UNION ALL SELECT 'today', ${sums} AND a.quarter_at >= :today
  UNION ALL SELECT 'sevenDays', ${sums} AND a.quarter_at >= :sevenDays
  UNION ALL SELECT 'thirtyDays', ${sums} AND a.quarter_at >= :thirtyDays`;

/** `today`: when the day began in the zone of whoever asks, epoch milliseconds. Days are today and those before it. */
export const costLine = Effect.fnUntraced(function* (request: {
  readonly tenant: string;
  readonly today: number;
  readonly session?: string | undefined;
}) {
  const query = yield* Query;
  const { rows } = yield* query.select(statement, {
    tenant: request.tenant,
    session: request.session ?? "",
    today: request.today,
    sevenDays: request.today - 6 * dayMillis,
    thirtyDays: request.today - 29 * dayMillis,
  });
  const of = (name: string): Spending => {
    const [, input, output, cost] = rows.find(([one]) => one === name) ?? [];
    return {
      inputTokens: Number(input ?? 0),
      outputTokens: Number(output ?? 0),
      costUsd: cost == null ? null : Number(cost),
    };
  };
  const line: CostLine = { today: of("today"), sevenDays: of("sevenDays"), thirtyDays: of("thirtyDays") };
  return request.session === undefined ? line : { session: of("session"), ...line };
});
