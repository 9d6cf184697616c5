/**
 * Token usage: what providers counted, once per provider message.
 *
 * Room: projections.
 *
 * The last count seen for a key replaces the ones before it: a message written over several lines, or sent again
 * when a session is resumed, says its usage several times, and the last one is final.
 */
import { idText } from "../src/projection/fold/CompactId.ts";
import { firstHandOnly, nameText, type Projection } from "../src/projection/Projection.ts";

const counted = firstHandOnly({ table: "token_usage", alias: "u" });
const count = { type: "integer", merge: "replace" } as const;

const kinds = {
  input_tokens:
    "Tokens of input, as the provider counts them (Anthropic without cached ones, OpenAI and Gemini with them); null when not said.",
  output_tokens: "Tokens of output; null when not said.",
  cache_read_tokens: "Tokens of input read from the provider's cache; null when not said.",
  cache_write_tokens: "Tokens of input written to the provider's cache; null when not said.",
  reasoning_tokens: "Tokens of hidden reasoning; null when not said.",
};

const columns = Object.keys(kinds)
  .map((name) => `u.${name}`)
  .join(", ");
const uncached = `CASE WHEN u.cache_in_input = 1
  THEN max(0, u.input_tokens - coalesce(u.cache_read_tokens, 0) - coalesce(u.cache_write_tokens, 0)) ELSE u.input_tokens END`;
const sums = Object.keys(kinds)
  .map((name) => `coalesce(sum(u.${name}), 0)`)
  .join(", ");

export const tokenUsage: Projection = {
  name: "token_usage",
  version: 2,
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
        cache_in_input: { ...count, doc: "1 when the provider counts cached tokens inside input_tokens." },
        input_tokens: { ...count, doc: kinds.input_tokens },
        output_tokens: { ...count, doc: kinds.output_tokens },
        cache_read_tokens: { ...count, doc: kinds.cache_read_tokens },
        cache_write_tokens: { ...count, doc: kinds.cache_write_tokens },
        reasoning_tokens: { ...count, doc: kinds.reasoning_tokens },
        occurred_at: { type: "integer", doc: "When it was last told, epoch milliseconds." },
        sequence: { type: "integer", doc: "Sequence of the event that told it last." },
      },
      indexes: [["thread_id", "tenant", "second_hand"]],
    },
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
        model: "Model; null when not said.",
        ...kinds,
        uncached_input_tokens:
          "Tokens of input neither read from nor written to the provider's cache, in every provider's case; safe to add to the cache columns.",
        occurred_at: "When it was last told, epoch milliseconds.",
        sequence: "Stream sequence of the event that told it last.",
      },
      select: `SELECT u.provider_message_id, t.text, ${nameText("u.tenant")}, u.request_id, ${idText("u.message_id")},
        ${nameText("u.provider")}, ${nameText("u.model")}, ${columns}, ${uncached}, u.occurred_at, u.sequence
        FROM token_usage u JOIN names t ON t.name = u.thread_id WHERE ${counted}`,
    },
    {
      name: "v_daily_tokens",
      doc: "One row per day (UTC) and model: tokens by kind.",
      columns: {
        day: "Day in UTC, as YYYY-MM-DD.",
        model: "Model; null when not said.",
        provider_messages: "Messages of the provider.",
        threads: "Threads they were said in.",
        ...Object.fromEntries(
          Object.entries(kinds).map(([name, doc]) => [
            name,
            doc.replace("; null when not said", "; 0 when never said"),
          ]),
        ),
      },
      select: `SELECT date(u.occurred_at / 1000, 'unixepoch'), ${nameText("u.model")}, count(*),
        count(DISTINCT u.thread_id || ' ' || u.tenant), ${sums}
        FROM token_usage u WHERE ${counted} GROUP BY 1, u.model`,
    },
  ],
  facts: ["TokensUsed"],
  handle: (event, facts) =>
    facts.flatMap((fact) =>
      fact._tag !== "TokensUsed"
        ? []
        : [
            {
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
                cache_in_input: fact.usage.cacheInInput === true ? 1 : null,
                input_tokens: fact.usage.input,
                output_tokens: fact.usage.output,
                cache_read_tokens: fact.usage.cacheRead,
                cache_write_tokens: fact.usage.cacheWrite,
                reasoning_tokens: fact.usage.reasoning,
                occurred_at: event.occurredAt,
                sequence: event.sequence,
              },
            },
          ],
    ),
};
