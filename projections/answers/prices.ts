/**
 * The price list: what providers ask for a million tokens, in US dollars, as of a day. Offline, and replaceable.
 *
 * Room: projections.
 *
 * A name stands for every model that begins so; the longest that fits holds. `recollect config set prices.MODEL JSON` puts
 * another price in the place of one, or adds one, as an event: who set it, when and why is in `v_config_changes`.
 */

/** Day of which the list is. Raise it, and the version of the projection, with every change. */
export const pricesOf = "2025-12-01";

/** Input, output, read from the cache, written to the cache. */
type Price = readonly [input: number, output: number, cacheRead: number, cacheWrite: number];

const prices: Readonly<Record<string, Price>> = {
  "claude-opus-4-5": [5, 25, 0.5, 6.25],
  "claude-opus-4": [15, 75, 1.5, 18.75],
  "claude-sonnet-4": [3, 15, 0.3, 3.75],
  "claude-haiku-4-5": [1, 5, 0.1, 1.25],
  "claude-3-7-sonnet": [3, 15, 0.3, 3.75],
  "claude-3-5-sonnet": [3, 15, 0.3, 3.75],
  "claude-3-5-haiku": [0.8, 4, 0.08, 1],
  "claude-3-opus": [15, 75, 1.5, 18.75],
  "claude-3-haiku": [0.25, 1.25, 0.03, 0.3],
  "gpt-5": [1.25, 10, 0.125, 1.25],
  "gpt-5-mini": [0.25, 2, 0.025, 0.25],
  "gpt-5-nano": [0.05, 0.4, 0.005, 0.05],
  "gpt-4.1": [2, 8, 0.5, 2],
  "gpt-4.1-mini": [0.4, 1.6, 0.1, 0.4],
  "gpt-4.1-nano": [0.1, 0.4, 0.025, 0.1],
  "gpt-4o": [2.5, 10, 1.25, 2.5],
  "gpt-4o-mini": [0.15, 0.6, 0.075, 0.15],
  o3: [2, 8, 0.5, 2],
  "o4-mini": [1.1, 4.4, 0.275, 1.1],
  "gemini-2.5-pro": [1.25, 10, 0.125, 1.25],
  "gemini-2.5-flash": [0.3, 2.5, 0.03, 0.3],
  "gemini-2.5-flash-lite": [0.1, 0.4, 0.01, 0.1],
};

const rows = Object.entries(prices).map(([model, price]) => `('${model}', ${price.join(", ")})`);

/** The latest value of each price that a configuration of the default tenant gives; none where it was removed. */
const configured = `SELECT substr(n.text, 8) AS model, (SELECT o.value FROM config_changes o WHERE o.field = n.name
    AND o.scope = (SELECT name FROM names WHERE text = 'default') AND o.tenant = (SELECT name FROM names WHERE text = 'default')
    ORDER BY o.sequence DESC, o.ordinal DESC LIMIT 1) AS value,
  (SELECT max(o.changed_at) FROM config_changes o WHERE o.field = n.name) AS changed_at
  FROM names n WHERE n.text >= 'prices.' AND n.text < 'prices/' AND n.name IN (SELECT field FROM config_changes)`;

const asked = (name: string, otherwise: string): string => `coalesce(json_extract(c.value, '$.${name}'), ${otherwise})`;
const input = "json_extract(c.value, '$.input')";

/** SQL: the price of each name. A cache price that the configuration leaves out is the input's. */
export const pricesSql = `SELECT l.column1 AS priced_model, l.column2 AS input_usd_per_million, l.column3 AS output_usd_per_million,
    l.column4 AS cache_read_usd_per_million, l.column5 AS cache_write_usd_per_million, '${pricesOf}' AS price_day, 'list' AS price_source
  FROM (VALUES ${rows.join(", ")}) l WHERE l.column1 NOT IN (SELECT c.model FROM (${configured}) c WHERE c.value IS NOT NULL)
  UNION ALL SELECT c.model, ${input}, json_extract(c.value, '$.output'), ${asked("cacheRead", input)}, ${asked("cacheWrite", input)},
    coalesce(json_extract(c.value, '$.since'), date(c.changed_at / 1000, 'unixepoch')), 'configuration'
  FROM (${configured}) c WHERE c.value IS NOT NULL`;
