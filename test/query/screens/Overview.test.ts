import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { rows } from "../../support/Imported.ts";
import { Query } from "../../../src/query/Query.ts";
import { Ask, type Values } from "../../../src/query/screens/Ask.ts";
import * as Overview from "../../../src/query/screens/Overview.ts";
import * as Site from "../../edge/page/Site.ts";

const none = Number.MAX_SAFE_INTEGER;
const long = 86_400_000 * 36_500;

layer(Site.layer, { excludeTestServices: true, timeout: 60_000 })("what the first screen asks", (it) => {
  it.effect("has the tokens that v_thread_tokens has, of every thread, own and delegated", () =>
    Effect.gen(function* () {
      const expected = yield* rows(
        `SELECT thread_id, tenant, input_tokens, output_tokens, cost_usd, delegated_input_tokens, delegated_output_tokens, delegated_threads
         FROM v_thread_tokens`,
      );
      assert.isAbove(expected.filter((row) => Number(row[7]) > 0).length, 0);
      for (const [threadId, tenant, ...tokens] of expected) {
        const found = yield* Overview.tokensOf({ threadId: String(threadId), tenant: String(tenant) });
        assert.deepStrictEqual(
          found === undefined
            ? []
            : [
                found.inputTokens,
                found.outputTokens,
                found.costUsd,
                found.delegatedInputTokens,
                found.delegatedOutputTokens,
                found.delegatedThreads,
              ],
          tokens,
        );
      }
    }),
  );

  it.effect("estimates what a thread's own messages cost as v_thread_costs does", () =>
    Effect.gen(function* () {
      const expected = yield* rows(
        `SELECT thread_id, tenant, estimated_usd FROM v_thread_costs c WHERE estimated_usd > 0 AND NOT EXISTS
           (SELECT 1 FROM v_token_usage u WHERE u.thread_id = c.thread_id AND u.is_sidechain = 1)`,
      );
      assert.isAbove(expected.length, 1);
      for (const [threadId, tenant, estimatedUsd] of expected) {
        const found = yield* Overview.estimateOf({ threadId: String(threadId), tenant: String(tenant) });
        assert.closeTo(found ?? 0, Number(estimatedUsd), 1e-9);
      }
      assert.isNull(yield* Overview.estimateOf({ threadId: "none", tenant: "default" }));
    }),
  );

  it.effect("lists every root once with the prompts and calls of v_threads, sub-agents under their parents alone", () =>
    Effect.gen(function* () {
      const roots = yield* Overview.threads({ limit: 100 }, 0);
      const expected = yield* rows(
        "SELECT thread_id, prompts, tool_calls FROM v_threads WHERE parent_thread_id IS NULL",
      );
      assert.sameDeepMembers(
        roots.map(({ prompts, threadId, toolCalls }) => [threadId, prompts, toolCalls]),
        expected,
      );
      const parents = roots.filter(({ tokens }) => (tokens?.delegatedThreads ?? 0) > 0);
      assert.lengthOf(parents, 1);
      const children = yield* Overview.threads({ parent: parents[0]?.threadId, limit: 100 }, 0);
      assert.lengthOf(children, 1);
    }),
  );

  it.effect("is read off indexes: no statement walks through a table of facts", () =>
    Effect.gen(function* () {
      const ask = yield* Ask;
      const statements = new Map<string, Values>();
      const noting = Ask.of({
        rows: (statement, values = {}) => {
          statements.set(statement, values);
          return ask.rows(statement, values);
        },
      });
      const now = Date.now();
      yield* Effect.all([
        Overview.now(now, undefined),
        Overview.days(now - 7 * 86_400_000, now, undefined),
        Overview.threads({ limit: 25 }, now),
        Overview.callsWithoutOutcome(now, undefined),
      ]).pipe(Effect.provideService(Ask, noting));
      assert.isAbove(statements.size, 8);
      const query = yield* Query;
      for (const [statement, values] of statements) {
        const plan = yield* query.select(`EXPLAIN QUERY PLAN ${statement}`, values);
        const walks = plan.rows
          .map((row) => String(row.at(-1)))
          // What has one letter or no index is a table, of facts or of sums; the rest are steps of the statement itself.
          .filter((line) =>
            /^SCAN (?:[acekmtuv]|\w+_activity|threads|tasks|messages|tool_calls|token_usage|events)\b/.test(line),
          )
          .filter((line) => !line.includes("USING") && !line.includes("VIRTUAL TABLE"));
        assert.deepStrictEqual(walks, [], statement);
      }
    }),
  );

  it.effect("adds up days to what the views of days say", () =>
    Effect.gen(function* () {
      const found = yield* Overview.days(1, long, undefined);
      assert.deepStrictEqual(
        found.map(({ answers, day, prompts, threads }) => [day, threads, prompts, answers]),
        yield* rows("SELECT day, threads, prompts, answers FROM v_daily_activity WHERE day IS NOT NULL ORDER BY day"),
      );
      const [[calls, errors] = []] = yield* rows(
        "SELECT count(*), sum(outcome = 'error') FROM v_tool_calls WHERE started_at IS NOT NULL",
      );
      assert.deepStrictEqual(
        [found.reduce((sum, day) => sum + day.calls, 0), found.reduce((sum, day) => sum + day.errors, 0)],
        [calls, errors],
      );
      const [[unknown] = []] = yield* rows("SELECT count(*) FROM v_tool_calls WHERE outcome = 'unknown'");
      assert.strictEqual(yield* Overview.callsWithoutOutcome(none, undefined), unknown);
    }),
  );
});
