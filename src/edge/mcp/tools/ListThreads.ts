/**
 * `list_threads`: conversations, the last active first.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { fitting } from "../../../query/brief/Budget.ts";
import { known, minute, titleOf } from "../../../query/brief/Plain.ts";
import { Desk } from "../Desk.ts";
import { conditionsOf, maybeText, threadFilters, whole } from "../Parameters.ts";
import { tool } from "../Tool.ts";

const mostThreads = 200;

export const listThreads = tool({
  name: "list_threads",
  title: "List conversations",
  description: `Lists recorded conversations of all agents, the last active first: id, title (or first words), agent, model, folder, when, how many prompts and tool calls. Use it to see what was worked on in a project or at a time, and to get ids; use search when you know words that were said. total counts all that match. Times are in UTC.`,
  deed: "read",
  parameters: {
    ...threadFilters,
    title: maybeText("Only with these characters in the title or the first words"),
    parent: maybeText("Only forks and sub-agents of this thread (its whole id)"),
    limit: whole(`Most threads, 1 to ${mostThreads}. Default 20.`, 1, mostThreads),
    skip: whole("Threads to leave out from the newest on: `next` of an answer gives it", 0, 1_000_000),
  },
  handle: Effect.fnUntraced(function* (input, { tokens, who }) {
    const { limit = 20, skip = 0 } = input;
    const { parent, title } = input;
    const filter = { ...(yield* conditionsOf(input)), ...known({ parent, title }), tenant: who.tenant };
    const query = yield* (yield* Desk).query;
    const { threads: rows, total = 0 } = yield* query.threads({ ...filter, limit, skip, isCounted: true });
    const found = rows.map((row) =>
      known({
        thread: row.threadId,
        title: titleOf(row),
        agent: row.tool ?? row.client ?? undefined,
        model: row.model ?? undefined,
        folder: row.cwd ?? undefined,
        branch: row.branch ?? undefined,
        began: row.openedAt === null ? undefined : minute(row.openedAt),
        last_active: minute(row.listedAt),
        prompts: row.prompts,
        tool_calls: row.toolCalls,
        parent: row.parentThreadId ?? undefined,
        relation: row.parentRelation ?? undefined,
      }),
    );
    const threads = fitting({}, found, tokens);
    const isMore = skip + threads.length < total;
    return { threads, total, truncated: isMore, ...(isMore ? { next: { skip: skip + threads.length } } : {}) };
  }),
});
