/**
 * Token usage: what providers counted, once per provider message, in one meaning for all of them (`Tokens.ts`).
 *
 * Room: projections.
 *
 * Stored are parts that do not overlap, each held by a CHECK; the views add them up, so that a part is never larger
 * than its whole. Told again, the larger number holds: a message written over several lines says less at first, and
 * copies of a session come in any order.
 */
import type { RecordedEvent } from "../src/domain/Event.ts";
import type { Fact } from "../src/domain/Fact.ts";
import { tokensOf } from "../src/domain/Tokens.ts";
import { idText } from "../src/projection/fold/CompactId.ts";
import { countsHere, elsewhere, twinCells, twinColumns, twinIndex } from "./activity/counted.ts";
import { daysOf } from "./activity/sums.ts";
import {
  costSum,
  modelOfUsage,
  tokenActivityTable,
  tokenActivityViews,
  tokenSums,
  tokenUpkeep,
} from "./activity/tokens.ts";
import { type Change, nameText, type Projection } from "../src/projection/Projection.ts";

/** SQL: counts that count: first-hand ones, and of what an agent copied from another thread those that it does not hold. */
const counted = countsHere("u");
const count = { type: "integer", merge: "max" } as const;

const kinds = {
  input_tokens:
    "Tokens sent, all of them: cache_read_tokens and cache_write_tokens are parts of it, for every provider; null when not said.",
  output_tokens:
    "Tokens received, all of them: reasoning_tokens are a part of it, for every provider; null when not said.",
  cache_read_tokens: "Of the tokens sent, those read from the provider's cache; null when not said.",
  cache_write_tokens: "Of the tokens sent, those written to the provider's cache; null when not said.",
  reasoning_tokens: "Of the tokens received, hidden reasoning; null when not said.",
};

const uncached = "u.uncached_tokens";
const input = `u.uncached_tokens + coalesce(u.cache_read_tokens, 0) + coalesce(u.cache_write_tokens, 0)`;
const output = `u.visible_tokens + coalesce(u.reasoning_tokens, 0)`;
const whole = [input, output, "u.cache_read_tokens", "u.cache_write_tokens", "u.reasoning_tokens"];

/** Model of the tokens: as it was told, else as the file's head says for their spender. */
const model = `coalesce(${nameText("u.model")}, (SELECT CASE u.spender WHEN 'user' THEN s.user_model ELSE s.agent_model END
  FROM threads t JOIN source_models s ON s.source = t.source WHERE t.thread_id = u.thread_id AND t.tenant = u.tenant))`;

/** The thread and its sub-agents, and theirs. UNION: a thread that is its own ancestor ends it. */
const descendants = `WITH RECURSIVE down(thread_id) AS (SELECT t.thread_id UNION SELECT k.thread_id FROM down d
  JOIN threads k ON k.parent_thread_id = d.thread_id AND k.tenant = t.tenant AND k.parent_relation IS NOT 'fork')`;
const own = "u.thread_id = t.thread_id AND u.sidechain = 0";
const delegated = `((u.thread_id = t.thread_id AND u.sidechain = 1) OR u.thread_id <> t.thread_id)
  AND u.thread_id IN (SELECT thread_id FROM down)`;
const spent = (what: string, where: string): string =>
  `(${where === delegated ? `${descendants} ` : ""}SELECT ${what} FROM token_activity u WHERE u.tenant = t.tenant AND ${where})`;
const orZero = (sum: string): string => `coalesce(${sum}, 0)`;

const noted = (event: RecordedEvent, fact: Extract<Fact, { readonly _tag: "TokensUsed" }>): Change => {
  const tokens = tokensOf(fact.usage);
  return {
    table: "token_usage",
    row: {
      usage_key: fact.usageKey,
      tenant: event.history.tenant,
      second_hand: fact.secondHand === true ? 1 : 0,
      thread_id: event.history.id,
      provider_message_id: fact.providerMessageId,
      request_id: fact.requestId,
      message_id: fact.messageId,
      provider: fact.provider,
      model: fact.model,
      spender: fact.spender,
      sidechain: fact.isSidechain === true ? 1 : undefined,
      copy_of: fact.copyOf,
      ...twinCells(fact.twin, event.sequence),
      uncached_tokens: tokens.uncached,
      visible_tokens: tokens.visible,
      cache_read_tokens: tokens.cacheRead,
      cache_write_tokens: tokens.cacheWrite,
      reasoning_tokens: tokens.reasoning,
      provider_input_tokens: fact.usage.input,
      provider_output_tokens: fact.usage.output,
      cost_usd: fact.costUsd,
      occurred_at: fact.at,
      sequence: event.sequence,
    },
  };
};

const parts = ["uncached_tokens", "visible_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"];

export const tokenUsage: Projection = {
  name: "token_usage",
  version: 11,
  doc: "Tokens by provider message, model and day.",
  tables: [
    {
      name: "token_usage",
      doc: "One row per provider message.",
      key: ["usage_key", "tenant", "second_hand"],
      clustered: true,
      columns: {
        usage_key: { type: "text", doc: "What makes it one count in its tenant." },
        tenant: { type: "name", doc: "Tenant." },
        second_hand: { type: "integer", doc: "1 when told by a second witness." },
        thread_id: { type: "name", merge: "first", doc: "Thread that told of it first." },
        provider_message_id: { type: "text", doc: "The provider's message id." },
        request_id: { type: "text", doc: "The provider's request id." },
        message_id: { type: "id", doc: "Message." },
        provider: { type: "name", doc: "Provider." },
        model: { type: "name", doc: "Model." },
        spender: { type: "text", doc: "agent or user, where both are models." },
        sidechain: { type: "integer", doc: "1 when a sub-agent spent them inside its parent's transcript." },
        copy_of: { type: "text", doc: "Key of the count of which this one is a copy, where it is one." },
        uncached_tokens: { ...count, doc: "Input beside the cache." },
        visible_tokens: { ...count, doc: "Output beside reasoning." },
        cache_read_tokens: { ...count, doc: kinds.cache_read_tokens },
        cache_write_tokens: { ...count, doc: kinds.cache_write_tokens },
        reasoning_tokens: { ...count, doc: kinds.reasoning_tokens },
        provider_input_tokens: { ...count, doc: "Input as the provider counts it." },
        provider_output_tokens: { ...count, doc: "Output as the provider counts it." },
        cost_usd: { type: "real", merge: "max", doc: "Reported cost." },
        occurred_at: { type: "integer", merge: "min", doc: "When it was first told, epoch milliseconds." },
        sequence: { type: "integer", doc: "Sequence of the event that told it last." },
        ...twinColumns,
        elsewhere,
      },
      checks: parts.map((part) => `${part} >= 0`),
      indexes: [
        ["thread_id", "tenant", "second_hand"],
        { on: ["copy_of", "tenant"], where: "copy_of IS NOT NULL" },
        twinIndex,
      ],
    },
    {
      name: "source_models",
      doc: "One row per file whose head names the models of its conversations.",
      key: ["source"],
      clustered: true,
      columns: {
        source: { type: "name", doc: "The file." },
        agent_model: { type: "text", doc: "Model of the agent." },
        user_model: { type: "text", doc: "Model that plays the person." },
      },
    },
    tokenActivityTable,
  ],
  views: [
    {
      name: "v_token_usage",
      doc: "One row per message of a provider: its tokens by kind, counted once.",
      columns: {
        provider_message_id: "Id the provider gave its message; the message's own id when it gave none.",
        thread_id: "Thread that told of it first.",
        tenant: "Tenant the thread belongs to.",
        request_id: "Id of the request to the provider; null when not said.",
        message_id: "Message it belongs to; null when not said.",
        provider: "Provider; null when not said.",
        model: "Model, by the message or the head of its file; null when not said.",
        spender: "Who spent them where a model plays the person too: agent or user; null where only agents do.",
        is_sidechain: "1 when a sub-agent spent them inside its parent's transcript, else 0.",
        ...kinds,
        uncached_input_tokens:
          "Of the tokens sent, those neither read from nor written to the cache; null when not said.",
        provider_input_tokens:
          "Input as the provider counts it: without the cache (Anthropic) or with it; null when not said.",
        provider_output_tokens:
          "Output as the provider counts it: without reasoning (Gemini) or with it; null when not said.",
        cost_usd: "What the transcript says it cost, US dollars; null when not said.",
        occurred_at: "When it was first told, epoch milliseconds; null where no record has a time.",
        sequence: "Stream sequence of the event that told it last.",
      },
      select: `SELECT u.provider_message_id, t.text, ${nameText("u.tenant")}, u.request_id, ${idText("u.message_id")},
        ${nameText("u.provider")}, ${model}, u.spender, coalesce(u.sidechain, 0), ${whole.join(", ")}, ${uncached},
        u.provider_input_tokens, u.provider_output_tokens, u.cost_usd, u.occurred_at, u.sequence
        FROM token_usage u LEFT JOIN names t ON t.name = u.thread_id WHERE ${counted}`,
    },
    {
      name: "v_thread_tokens",
      doc: "One row per thread: tokens that it spent itself, and those of the sub-agents it gave work to, which may be added up.",
      columns: {
        thread_id: "Thread.",
        tenant: "Tenant it belongs to.",
        input_tokens: "Tokens its own agent sent; 0 when never said.",
        output_tokens: "Tokens its own agent received; 0 when never said.",
        cost_usd: "What the transcript says that these cost, US dollars; null when it does not.",
        delegated_input_tokens:
          "Tokens that its sub-agents sent, in its own transcript and in threads of their own, and theirs; a fork is no sub-agent.",
        delegated_output_tokens: "Tokens that they received.",
        delegated_threads: "Threads of its sub-agents, and of theirs.",
      },
      select: `SELECT n.text, ${nameText("t.tenant")}, ${spent(orZero(tokenSums.input_tokens), own)},
        ${spent(orZero(tokenSums.output_tokens), own)}, ${spent(costSum, own)}, ${spent(orZero(tokenSums.input_tokens), delegated)},
        ${spent(orZero(tokenSums.output_tokens), delegated)}, (${descendants} SELECT count(*) - 1 FROM down)
        FROM threads t LEFT JOIN names n ON n.name = t.thread_id`,
    },
    {
      name: "v_daily_tokens",
      doc: "One row per day of the person, tenant and model: tokens by kind, which may be added up over days, models and providers.",
      columns: {
        day: "Day as YYYY-MM-DD, in the time zone of TZ or recollect sql --tz; null for all without a time.",
        tenant: "Tenant it belongs to.",
        model: "Model, by the message or the head of its file; null when not said.",
        provider_messages: "Messages of the provider.",
        threads: "Threads they were said in; one that crosses midnight is in both days.",
        ...Object.fromEntries(
          Object.entries(kinds).map(([name, doc]) => [
            name,
            doc.replace("; null when not said", "; 0 when never said"),
          ]),
        ),
        cost_usd: "What the transcripts say it cost, US dollars; null when none said it.",
      },
      select: `SELECT (q.day), ${nameText("u.tenant")}, ${modelOfUsage}, sum(u.provider_messages), count(DISTINCT u.thread_id),
        ${Object.values(tokenSums).join(", ")}, ${costSum} FROM token_activity u JOIN ${daysOf("token_activity")} q ON q.quarter_at = u.quarter_at GROUP BY 1, u.tenant, 3`,
    },
    ...tokenActivityViews,
  ],
  upkeep: tokenUpkeep,
  facts: ["TokensUsed", "SourceDescribed"],
  handle: (event, facts) =>
    facts.flatMap((fact): ReadonlyArray<Change> => {
      if (fact._tag === "TokensUsed") return [noted(event, fact)];
      if (fact._tag !== "SourceDescribed") return [];
      const { agentModel: agent_model, userModel: user_model } = fact;
      return [{ table: "source_models", row: { source: event.source, agent_model, user_model } }];
    }),
};
