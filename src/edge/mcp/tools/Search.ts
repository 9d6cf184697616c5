/**
 * `search`: what was said, given to tools and answered by them, with the place of each hit.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import { hitKinds, type SearchAnswer, type SearchHit } from "../../../query/search/Search.ts";
import { fitting } from "../../../query/brief/Budget.ts";
import { Desk } from "../Desk.ts";
import { conditionsOf, flag, maybeText, text, threadFilters, whole } from "../Parameters.ts";
import { known, minute, titleOf } from "../../../query/brief/Plain.ts";
import { rowsOf } from "../Rows.ts";
import { type Call, tool } from "../Tool.ts";

const mostThreads = 50;
const snippetLength = 240;
const hitsPerThread = 3;

/** The snippet with what was found between two stars. */
const marked = ({ marks, snippet }: SearchHit): string => {
  let shown = "";
  let at = 0;
  for (const [from, to] of marks) {
    shown += `${snippet.slice(at, from)}**${snippet.slice(from, to)}**`;
    at = to;
  }
  return (shown + snippet.slice(at)).replaceAll(/\s+/g, " ").toWellFormed();
};

const hitOf = (hit: SearchHit) =>
  known({
    place: hit.sequence,
    kind: hit.kind,
    by: hit.toolName ?? hit.role,
    at: minute(hit.at),
    text: marked(hit),
  });

/** Words of which one may be left out; a sentence has more, and no text has all of them. */
const mostWords = 8;

/** Search for when no text has all the words: without one of them that finds least, so that the rare ones stay. */
const withFewerWords = Effect.fnUntraced(function* <E>(
  nothing: SearchAnswer,
  query: string,
  ask: (text: string) => Effect.Effect<SearchAnswer, E>,
) {
  const words = query.split(/\s+/).filter((word) => word !== "");
  let best = { answer: nothing, searched: query };
  if (words.length < 2 || words.length > mostWords || query.includes('"')) return best;
  for (const left of words.keys()) {
    const searched = words.filter((_, at) => at !== left).join(" ");
    const answer = yield* ask(searched);
    const isBetter = answer.ranked > 0 && (best.answer.ranked === 0 || answer.ranked < best.answer.ranked);
    if (isBetter) best = { answer, searched };
  }
  return best;
});

/** Threads that are no answer to whoever asks: his own conversation, and what works for it. */
const ownThreads = Effect.fnUntraced(function* ({ toolUse, who }: Call) {
  if (who.thread !== undefined) return [who.thread];
  if (toolUse === undefined) return [];
  const rows = yield* rowsOf("SELECT thread_id FROM v_tool_calls WHERE tool_call_id = ? AND tenant = ? LIMIT 1", [
    toolUse,
    who.tenant,
  ]);
  return rows.map(([id]) => String(id));
});

export const search = tool({
  name: "search",
  title: "Search past conversations",
  description: `Finds where something was said, given to a tool or answered by one, in all recorded conversations of all agents, best first. Use it first when you ask what was done, decided or seen before. Each hit has a thread and a place; read_thread with both shows it in full. Words: all of them must stand in one text, in any order; "a phrase"; begin*. Few and rare words find most; where no text has all of them, one is left out (searched_for says which stayed). Your own conversation is left out unless include_own is true.`,
  deed: "read",
  parameters: {
    query: text(
      "Words to find, a phrase in double quotes, or with `by` other than words: characters, or a JavaScript regular expression",
      500,
    ),
    by: Schema.optionalKey(
      Schema.Literals(["words", "contains", "regex"]).annotate({
        description:
          "words (default, indexed and fast), contains (these characters anywhere), regex (without case). The last two look through texts for 2 seconds at most.",
      }),
    ),
    kinds: Schema.optionalKey(
      Schema.Array(Schema.Literals(hitKinds)).annotate({
        description:
          "Only in these: said (messages), thinking, arguments (of tool calls), result (of tool calls), file (paths), title, summary. Default: all.",
      }),
    ),
    thread: maybeText("Only in this thread"),
    ...threadFilters,
    include_own: flag("Also in the conversation that you are in. Default false."),
    limit: whole(`Most threads, 1 to ${mostThreads}. Default 10.`, 1, mostThreads),
    skip: whole("Threads to leave out from the best on: `next` of an answer gives it", 0, 950),
  },
  handle: Effect.fnUntraced(function* (input, call) {
    const query = yield* (yield* Desk).query;
    const { include_own: isOwn = false, limit = 10, skip = 0 } = input;
    const { by, kinds, thread } = input;
    const except = isOwn || thread !== undefined ? [] : yield* ownThreads(call);
    const filter = {
      limit: skip + limit,
      hitsPerThread,
      width: snippetLength,
      except,
      tenant: call.who.tenant,
      ...known({ kinds, threadId: thread }),
      ...(yield* conditionsOf(input)),
    };
    const ask = (words: string) => query.search({ ...filter, text: words, by: by ?? "words" });
    const exact = yield* ask(input.query);
    const { answer, searched } =
      exact.total > 0 || by !== undefined
        ? { answer: exact, searched: input.query }
        : yield* withFewerWords(exact, input.query, ask);
    const found = answer.threads.slice(skip).map(({ count, hits, thread: row }) =>
      known({
        thread: row.threadId,
        title: titleOf(row),
        agent: row.tool ?? row.client,
        folder: row.cwd,
        last_active: minute(row.lastActivityAt),
        hits: hits.map(hitOf),
        more_hits: count > hits.length ? count - hits.length : undefined,
      }),
    );
    const head = known({
      searched_for: searched === input.query ? undefined : searched,
      left_out: except.length === 0 ? undefined : `your own conversation ${except.join(", ")}`,
    });
    const threads = fitting(head, found, call.tokens);
    const isMore = threads.length < found.length || answer.total > skip + found.length;
    return {
      threads,
      ...head,
      total: answer.total,
      total_hits: answer.ranked,
      ...(answer.isCut ? { note: "There are older hits that were not looked at: narrow the search." } : {}),
      truncated: isMore,
      ...(isMore ? { next: { skip: skip + threads.length } } : {}),
    };
  }),
});
