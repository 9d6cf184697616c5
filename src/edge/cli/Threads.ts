/**
 * `recollect threads`: the list of conversations, newest first; with `--text` a search with snippets.
 *
 * Room: edge. In: query. Out: Cli.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { Query, type ThreadPage } from "../../query/Query.ts";
import { BadRequest } from "./Failure.ts";
import { json, readModels } from "./Flags.ts";
import * as Output from "./Output.ts";

const day = 86_400_000;
const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: day, w: 7 * day };

/** `2026-11-01`, `2026-11-01T10:00:00Z`, or so long ago: `30m`, `12h`, `7d`, `2w`. */
export const momentOf = (text: string, now: number): number | undefined => {
  const ago = /^(\d+)([mhdw])$/.exec(text);
  if (ago !== null) return now - Number(ago[1]) * (units[ago[2] ?? ""] ?? 0);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
};

const show = Effect.fnUntraced(function* (page: ThreadPage) {
  if (page.threads.length === 0) return yield* Output.note("No threads. Bring some in: recollect import PATH");
  const rows = page.threads.map((thread) => [
    Output.moment(thread.lastActivityAt),
    thread.threadId,
    Output.count(thread.messages),
    Output.count(thread.toolCalls),
    thread.source ?? thread.client ?? "-",
    Output.clip(thread.hit?.snippet ?? thread.title ?? thread.opening ?? "", 60),
  ]);
  for (const text of Output.table(["last activity", "thread", "messages", "calls", "source", "title"], rows))
    yield* Output.line(text);
  if (page.next !== undefined) yield* Output.note(`More: --after ${page.next}`);
});

export const threads = Command.make(
  "threads",
  {
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most so many"), Flag.withDefault(50)),
    after: Flag.String("after").pipe(
      Flag.withDescription("The next page: the cursor of the one before"),
      Flag.optional,
    ),
    tool: Flag.String("tool").pipe(Flag.withDescription("Of this tool, or in which it was called"), Flag.optional),
    model: Flag.String("model").pipe(Flag.withDescription("In which this model spoke"), Flag.optional),
    since: Flag.String("since").pipe(
      Flag.withDescription("Active since a time (2026-11-01) or for so long (7d, 12h)"),
      Flag.optional,
    ),
    text: Flag.String("text").pipe(
      Flag.withDescription("In which these words were said, with a snippet"),
      Flag.optional,
    ),
    tenant: Flag.String("tenant").pipe(Flag.withDescription("Of this tenant only"), Flag.optional),
    json,
  },
  Effect.fn("cli.threads")(function* (input) {
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
    const since = Option.map(input.since, (text) => momentOf(text, now));
    if (Option.isSome(since) && since.value === undefined) {
      const text = Option.getOrElse(input.since, () => "");
      return yield* new BadRequest({
        message: `--since ${text} is no time.`,
        hint: "Write 2026-11-01, 2026-11-01T10:00Z, 12h or 7d.",
      });
    }
    const given = <A>(name: string, value: Option.Option<A | undefined>) =>
      Option.isSome(value) && value.value !== undefined ? { [name]: value.value } : {};
    const query = yield* Query;
    const page = yield* query.threads({
      limit: input.limit,
      ...given("after", input.after),
      ...given("tool", input.tool),
      ...given("model", input.model),
      ...given("since", since),
      ...given("text", input.text),
      ...given("tenant", input.tenant),
    });
    if (input.json) yield* Output.json({ threads: page.threads, next: page.next ?? null });
    else yield* show(page);
  }, readModels),
).pipe(
  Command.withDescription("List threads, newest activity first"),
  Command.withExamples([
    { command: 'recollect threads --text "database is locked" --since 7d', description: "Search what was said" },
  ]),
);
