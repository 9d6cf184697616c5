/**
 * `list_threads`: conversations, the last active first.
 *
 * Room: edge.
 */
import { Clock, Effect } from "effect";
import { fitting } from "../../../query/brief/Budget.ts";
import { maybeText, moment, since, until, whole } from "../Parameters.ts";
import { known, minute, titleOf } from "../../../query/brief/Plain.ts";
import { rowsOf } from "../Rows.ts";
import { cellOf } from "../../../query/brief/Plain.ts";
import { tool } from "../Tool.ts";

const mostThreads = 200;

const columns =
  "thread_id, title, opening, coalesce(tool, client), model, cwd, branch, opened_at, listed_at, prompts, tool_calls, parent_thread_id, parent_relation";

const folder = `(cwd = :project OR substr(cwd, 1, length(:project) + 1) = :project || '/'
  OR substr(cwd, -length(:project) - 1) = '/' || :project OR instr(cwd, '/' || :project || '/') > 0)`;

export const listThreads = tool({
  name: "list_threads",
  title: "List conversations",
  description: `Lists recorded conversations of all agents, the last active first: id, title (or first words), agent, model, folder, when, how many prompts and tool calls. Use it to see what was worked on in a project or at a time, and to get ids; use search when you know words that were said. total counts all that match. Times are in UTC.`,
  deed: "read",
  parameters: {
    project: maybeText("Only where the working directory is this, below it, or has this name"),
    agent: maybeText("Only of this agent: claude, codex, gemini …"),
    model: maybeText("Only opened with a model that has this in its name"),
    title: maybeText("Only with these characters in the title or the first words"),
    parent: maybeText("Only forks and sub-agents of this thread (its whole id)"),
    since,
    until,
    limit: whole(`Most threads, 1 to ${mostThreads}. Default 20.`, 1, mostThreads),
    skip: whole("Threads to leave out from the newest on: `next` of an answer gives it", 0, 1_000_000),
  },
  handle: Effect.fnUntraced(function* (input, { tokens, who }) {
    const { limit = 20, skip = 0 } = input;
    const bound = known({
      tenant: who.tenant,
      now: yield* Clock.currentTimeMillis,
      project: input.project,
      agent: input.agent,
      model: input.model,
      title: input.title,
      parent: input.parent,
      since: yield* moment(input.since),
      until: yield* moment(input.until),
    });
    const conditions = [
      "tenant = :tenant",
      "deleted_at IS NULL",
      "coalesce(expires_at, :now + 1) > :now",
      ...(input.project === undefined ? [] : [folder]),
      ...(input.agent === undefined ? [] : ["(instr(tool, :agent) = 1 OR instr(client, :agent) = 1)"]),
      ...(input.model === undefined ? [] : ["instr(model, :model) > 0"]),
      ...(input.title === undefined
        ? []
        : ["instr(lower(coalesce(title, '') || ' ' || coalesce(opening, '')), lower(:title)) > 0"]),
      ...(input.parent === undefined ? [] : ["parent_thread_id = :parent"]),
      ...(bound.since === undefined ? [] : ["listed_at >= :since"]),
      ...(bound.until === undefined ? [] : ["coalesce(opened_at, listed_at) <= :until"]),
    ].join(" AND ");
    const [counted] = yield* rowsOf(`SELECT count(*) FROM v_threads WHERE ${conditions}`, bound);
    const total = Number(counted?.[0] ?? 0);
    const rows = yield* rowsOf(
      `SELECT ${columns} FROM v_threads WHERE ${conditions} ORDER BY listed_at DESC, first_sequence DESC LIMIT :limit OFFSET :skip`,
      { ...bound, limit, skip },
    );
    const found = rows.map((row) => {
      const [id, title, opening, agent, model, cwd, branch, opened, listed, prompts, calls, parent, relation] =
        row.map(cellOf);
      const texts = {
        title: typeof title === "string" ? title : null,
        opening: typeof opening === "string" ? opening : null,
      };
      const at = (millis: unknown) => (typeof millis === "number" ? minute(millis) : undefined);
      return known({
        thread: id,
        title: titleOf(texts),
        agent,
        model,
        folder: cwd,
        branch,
        began: at(opened),
        last_active: at(listed),
        prompts,
        tool_calls: calls,
        parent,
        relation,
      });
    });
    const threads = fitting({}, found, tokens);
    const isMore = skip + threads.length < total;
    return { threads, total, truncated: isMore, ...(isMore ? { next: { skip: skip + threads.length } } : {}) };
  }),
});
