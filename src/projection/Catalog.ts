/**
 * The catalog of all public columns: what type, which unit, whether it may be added up, and whether it tells of a person.
 *
 * Room: projection.
 *
 * One name means one thing in every view, so all of this follows from a column's name: from its ending where that says it
 * (`_at`, `_millis`, `_bytes`, `_tokens`, `_usd`, `_share`), else from the lists below. Views, the dictionary, Datasette's
 * metadata, reports and doors read it here. A name that is in none of them is refused when a database is made.
 */

export type PublicType = "text" | "integer" | "real" | "blob";

/**
 * - `dimension`: what one groups and filters by
 * - `measure`: a number that says how much; `isAdditive` ones may be summed over rows
 * - `content`: words, arguments and results: what is read and not grouped by
 */
export type Purpose = "dimension" | "measure" | "content";

export interface Catalogued {
  readonly type: PublicType;
  /** In words: `epoch milliseconds`, `bytes`, `name`, `0 or 1`. */
  readonly unit: string;
  readonly purpose: Purpose;
  readonly isAdditive: boolean;
  /** It may hold what a person said, did or is called by: masked where a role may not see that. */
  readonly isPersonal: boolean;
}

const words = (text: string): ReadonlyArray<string> => text.trim().split(/\s+/);

const of = (
  type: PublicType,
  unit: string,
  purpose: Purpose,
  more: { readonly isAdditive?: boolean; readonly isPersonal?: boolean } = {},
): Catalogued => ({ type, unit, purpose, isAdditive: more.isAdditive ?? false, isPersonal: more.isPersonal ?? false });

const personal = { isPersonal: true };
const additive = { isAdditive: true };

/** The first that fits holds. */
const endings: ReadonlyArray<readonly [RegExp, Catalogued]> = [
  [/^is_/, of("integer", "0 or 1", "dimension")],
  [/^(mean|max|p50|p95|p99|longest|median)_.*_millis$/, of("real", "milliseconds", "measure")],
  [/_millis$/, of("real", "milliseconds", "measure", additive)],
  [/^(mean|max|p50|p95)_.*_bytes$/, of("real", "bytes", "measure")],
  [/_bytes$/, of("integer", "bytes", "measure", additive)],
  [/_tokens$/, of("integer", "tokens", "measure", additive)],
  [/_usd_per_million$/, of("real", "US dollars for a million tokens", "measure")],
  [/_usd$/, of("real", "US dollars", "measure", additive)],
  [/_per_turn$/, of("real", "count for each turn", "measure")],
  [/_share$/, of("real", "share of 1", "measure")],
  [/_at$/, of("integer", "epoch milliseconds", "dimension")],
  [/_time$/, of("text", "ISO 8601 in UTC", "dimension")],
  [/(^|_)day$/, of("text", "YYYY-MM-DD", "dimension")],
  [/(^|_)sequence$/, of("integer", "stream sequence", "dimension")],
  [/_line$/, of("integer", "line, from 1", "dimension")],
  [/_number$/, of("integer", "number of a name in this database", "dimension")],
  [/(^|_)(id|key)$/, of("text", "id", "dimension")],
];

/** Lists of names: all counts are additive, whatever they count, but where the same thing may be counted in two rows. */
const lists: ReadonlyArray<readonly [string, Catalogued]> = [
  [
    `answers calls errors events messages ok prompts provider_messages reads reuses timed tool_calls unanswered unknown dead_letters
     edits writes tasks completed failed turns claimed started timed_out cancelled still_open unmatched_results not_understood unpriced repeats times retries priced_messages unpriced_messages sessions entries`,
    of("integer", "count", "measure", additive),
  ],
  [
    "threads requests delegated_threads tools files users versions servers models_used",
    of("integer", "distinct count", "measure"),
  ],
  ["attempt attempts max_attempts", of("integer", "count", "measure")],
  ["progress progress_total", of("real", "units of the task", "measure")],
  ["tokens_before", of("integer", "tokens", "measure")],
  ["gap", of("integer", "events", "measure")],
  ["not_before start_by stream_created", of("integer", "epoch milliseconds", "dimension")],
  ["lease_millis", of("integer", "milliseconds", "dimension")],
  ["dead_letter fail_fast", of("integer", "0 or 1", "dimension")],
  ["models", of("text", "names, with commas between them", "dimension")],
  ["ordinal position rank turn", of("integer", "place", "dimension")],
  ["exit_code", of("integer", "number", "dimension")],
  ["process_id", of("integer", "number", "dimension", personal)],
  ["schema_version version rolled_back_to", of("integer", "version", "dimension")],
  [
    `agent_type came_from client client_version column field from_status kind limit_name meaning model name outcome parent_relation
     joined_by policy previous_tool_name price_source priority projection protocol_version provider purpose recipient refers_to_kind role scope sender server
     server_version signal source spender state status stop_reason subject tenant to_status tool tool_name transport trigger type unit
     version_name view next_tool_name error_type class condition priced_model`,
    of("text", "name", "dimension"),
  ],
  ["stored_session session worker", of("text", "name", "dimension")],
  ["actor author changed_by machine principal stored_actor tag user what", of("text", "name", "dimension", personal)],
  ["branch cwd path project", of("text", "path or name", "dimension", personal)],
  ["copied_from in_reply_to misfit_subject retry_of segment", of("text", "id", "dimension")],
  ["request_key", of("text", "hexadecimal", "dimension", personal)],
  ["chain digest", of("text", "hexadecimal", "dimension")],
  ["sha256", of("text", "hexadecimal", "dimension", personal)],
  ["event_key", of("blob", "bytes of the id", "dimension")],
  ["traceparent", of("text", "W3C trace context", "dimension")],
  [
    "body command data extensions output ranges request value previous wire_headers",
    of("text", "JSON", "content", personal),
  ],
  ["arguments", of("text", "JSON", "content", personal)],
  [
    "description error_message message opening reason refers_to result summary text title why words",
    of("text", "words", "content", personal),
  ],
  ["doc kept problem", of("text", "words", "content")],
];

const listed = new Map(lists.flatMap(([names, what]) => words(names).map((name) => [name, what] as const)));

/** Places where a type differs though the meaning does not: bytes of a body that is not UTF-8, and what is only asked. */
export const eitherWay: ReadonlySet<string> = new Set(["data", "words"]);

/** Catalog entry of a public column, by its name; undefined for a name that is in no list and has no known ending. */
export const catalogued = (column: string): Catalogued | undefined =>
  listed.get(column) ?? endings.find(([ending]) => ending.test(column))?.[1];
