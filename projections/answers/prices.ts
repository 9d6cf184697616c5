/**
 * The price list: what providers ask for a million tokens, in US dollars, as of a day. Offline, and replaceable.
 *
 * Room: projections.
 *
 * A name stands for itself and for what the provider writes behind it without another price: a day, `-latest`, `-preview`,
 * a region. Behind another version or size (`-5-5`, `.4`, `-mini`, `-pro`) stands another model, which has a price of its own or
 * none: no price is better than that of an older relative. Where a price depends on the length of the prompt it is that
 * of short ones. `recollect config set prices.MODEL JSON` puts another price in the place of one, or adds one, as an event: who
 * set it, when and why is in `v_config_changes`. Such a name stands for every model that begins so; the longest holds.
 */

/** Day of which the list is. Raise it, and the version of the projection, with every change. */
export const pricesOf = "2026-11-06";

/** Input, output, read from the cache, written to the cache. */
type Price = readonly [input: number, output: number, cacheRead: number, cacheWrite: number];

const fable: Price = [10, 50, 1, 12.5];
const opus: Price = [5, 25, 0.5, 6.25];
const opus4: Price = [15, 75, 1.5, 18.75];
const sonnet: Price = [3, 15, 0.3, 3.75];
const gemini36: Price = [0.75, 3.75, 0.075, 0.75];

const claude: Readonly<Record<string, Price>> = {
  "claude-fable-5-1": [10, 50, 0.25, 12.5],
  "claude-fable-5": fable,
  "claude-mythos-5-1": [10, 50, 0.25, 12.5],
  "claude-mythos-5": fable,
  "claude-opus-5-5": [4, 20, 0.2, 5],
  "claude-opus-5": opus,
  "claude-opus-4-8": opus,
  "claude-opus-4-7": opus,
  "claude-opus-4-6": opus,
  "claude-opus-4-5": opus,
  "claude-opus-4-1": opus4,
  "claude-opus-4-0": opus4,
  "claude-opus-4": opus4,
  "claude-sonnet-5-5": [2, 10, 0.1, 2.5],
  "claude-sonnet-5": [2, 10, 0.2, 2.5],
  "claude-sonnet-4-6": sonnet,
  "claude-sonnet-4-5": sonnet,
  "claude-sonnet-4-0": sonnet,
  "claude-sonnet-4": sonnet,
  "claude-haiku-5-5": [0.1, 0.5, 0.01, 0.125],
  "claude-haiku-4-5": [1, 5, 0.1, 1.25],
  "claude-3-7-sonnet": sonnet,
  "claude-3-5-sonnet": sonnet,
  "claude-3-5-haiku": [0.8, 4, 0.08, 1],
  "claude-3-opus": opus4,
  "claude-3-haiku": [0.25, 1.25, 0.03, 0.3],
};

/** Some agents write a version with a dot: `claude-haiku-4.5`. */
const dotted = Object.entries(claude).flatMap(([name, price]) => {
  const other = name.replace(/(\d)-(\d)/, "$1.$2");
  return other === name ? [] : [[other, price] as const];
});

const prices: Readonly<Record<string, Price>> = {
  ...claude,
  ...Object.fromEntries(dotted),
  "gpt-6-astra": [10, 50, 1, 12.5],
  "gpt-6-sol": [2, 10, 0.2, 2.5],
  "gpt-6-luna": [0.1, 0.5, 0.01, 0.125],
  "gpt-5.6-sol": [5, 30, 0.5, 6.25],
  "gpt-5.6-terra": [2, 12, 0.2, 2.5],
  "gpt-5.6-luna": [0.2, 1.2, 0.02, 0.25],
  "gpt-5.5": [5, 30, 0.5, 5],
  "gpt-5.4": [2.5, 15, 0.25, 2.5],
  "gpt-5.4-mini": [0.75, 4.5, 0.075, 0.75],
  "gpt-5.4-nano": [0.2, 1.25, 0.02, 0.2],
  "gpt-5.3-codex": [1.75, 14, 0.175, 1.75],
  "gpt-5.2": [1.75, 14, 0.175, 1.75],
  "gpt-5.1": [1.25, 10, 0.125, 1.25],
  "gpt-5.1-codex-mini": [0.25, 2, 0.025, 0.25],
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
  "gemini-3.8-flash": gemini36,
  "gemini-3.7-flash": gemini36,
  "gemini-3.6-flash": gemini36,
  "gemini-3.5-flash": [1.5, 9, 0.15, 1.5],
  "gemini-3.1-pro": [2, 12, 0.2, 2],
  "gemini-3.1-flash-lite": [0.25, 1.5, 0.025, 0.25],
  "gemini-3-pro": [2, 12, 0.2, 2],
  "gemini-3-flash": [0.5, 3, 0.05, 0.5],
  "gemini-2.5-pro": [1.25, 10, 0.125, 1.25],
  "gemini-2.5-flash": [0.3, 2.5, 0.03, 0.3],
  "gemini-2.5-flash-lite": [0.1, 0.4, 0.01, 0.1],
  "grok-4.6": [2, 6, 0.5, 2],
  "grok-4.5": [2, 6, 0.5, 2],
};

/** Words behind a name that make another model of it. */
const variants = ["pro", "mini", "nano", "lite", "fast", "image", "audio", "realtime", "search", "tts", "transcribe"];
/** Patterns of GLOB for the text behind a name of another model: a version of one or two digits, a variant. */
const others = [
  "[-.][0-9]",
  "[-.][0-9][^0-9]*",
  "[-.][0-9][0-9]",
  "[-.][0-9][0-9][^0-9]*",
  ...variants.map((word) => `*-${word}*`),
];

/** SQL: true when the text behind a name of the list (`rest`) leaves it the same model. */
export const isSameModel = (rest: string): string =>
  `(${rest} = '' OR ${rest} GLOB '[-@:]*' AND NOT (${others.map((other) => `${rest} GLOB '${other}'`).join(" OR ")}))`;

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
