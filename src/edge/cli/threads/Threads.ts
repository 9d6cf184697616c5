/**
 * `recollect threads`: the list of conversations, newest first; with `--text` a search with snippets.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { Query, type ThreadPage } from "../../../query/Query.ts";
import { given, json, limit, readModels, usualRows } from "../Flags.ts";
import { color, type Screen, screenOf, utc } from "../Screen.ts";
import { shellWord } from "../../../machine/CalledAs.ts";
import * as LastList from "./LastList.ts";
import { shortIds } from "./ThreadIds.ts";
import { isOfSeveralTenants, threadLines } from "./ThreadRows.ts";
import { paged } from "../Pager.ts";
import { momentHint, momentOf } from "../ParseTime.ts";
import { momentInZone } from "../ask/ZonedTime.ts";
import * as Output from "../Output.ts";

const none = (isFiltered: boolean) =>
  Output.note(isFiltered ? "No such threads." : "No threads. Bring some in: recollect import PATH");

/** For a terminal: a line a thread, as wide as it is. */
const showFitted = Effect.fnUntraced(function* (page: ThreadPage, screen: Screen, asUtc: boolean, flags: string) {
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const short = yield* shortIds(page.threads.map(({ threadId }) => threadId));
  for (const text of threadLines(page.threads, { short, screen, now, utc: asUtc })) yield* Output.styled(text);
  if (page.next !== undefined) yield* Output.note(`More: recollect threads${flags} --after ${page.next}`);
});

const show = Effect.fnUntraced(function* (page: ThreadPage) {
  const isMixed = isOfSeveralTenants(page.threads);
  const rows = page.threads.map((thread) => [
    Output.moment(thread.lastActivityAt),
    thread.threadId,
    ...(isMixed ? [thread.tenant] : []),
    // Of persons: answers, tool results and notices are messages too, and there are many more of them.
    Output.count(thread.prompts),
    Output.count(thread.answers),
    Output.count(thread.toolCalls),
    Output.clip(thread.tool ?? thread.client ?? "-", 16),
    Output.clip(thread.hit?.snippet ?? thread.title ?? thread.opening ?? "", 60),
  ]);
  for (const text of Output.table(
    ["last activity (UTC)", "thread", ...(isMixed ? ["tenant"] : []), "prompts", "answers", "calls", "with", "title"],
    rows,
  ))
    yield* Output.line(text);
  if (page.next !== undefined) yield* Output.note(`More: --after ${page.next}`);
});

const named = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional);

const time = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filter(
      (text) => momentOf(text, 0) !== undefined,
      () => `it is no time. ${momentHint}`,
    ),
    Flag.withMetavar("TIME"),
    Flag.withDescription(description),
    Flag.optional,
  );

/** The filters of a list again, for the command that shows its next page. */
const flagsOf = (input: Readonly<Record<string, unknown>>): string =>
  Object.entries(input)
    .flatMap(([name, value]) => {
      const flag = `--${name === "hasError" ? "has-error" : name}`;
      if (value === true) return [flag];
      if (name === "limit" && value !== usualRows) return [`${flag} ${String(value)}`];
      const text = Option.isOption(value) && name !== "after" ? Option.getOrUndefined(value) : undefined;
      return typeof text === "string" ? [`${flag} ${shellWord(text)}`] : [];
    })
    .map((flag) => ` ${flag}`)
    .join("");

export const threads = Command.make(
  "threads",
  {
    limit,
    after: Flag.String("after").pipe(
      Flag.withMetavar("CURSOR"),
      Flag.withDescription("The next page: the cursor of the one before"),
      Flag.optional,
    ),
    tool: Flag.String("tool").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Of this tool, or in which it was called"),
      Flag.optional,
    ),
    model: Flag.String("model").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("In which a model spoke whose name has this in it"),
      Flag.optional,
    ),
    project: named("project", "DIR", "In this working directory, one below it, or one of this name"),
    branch: named("branch", "NAME", "On this branch"),
    agent: named("agent", "NAME", "Of this agent: claude, codex, gemini …"),
    role: named("role", "ROLE", "In which something was said as user, assistant, system …"),
    file: named("file", "PATH", "That read this file or named it to a tool"),
    hasError: Flag.Boolean("has-error").pipe(Flag.withDefault(false), Flag.withDescription("In which a call failed")),
    main: Flag.Boolean("main").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Without those that work for another one: no sub-agents"),
    ),
    since: time("since", "Active since a time (2026-11-01) or for so long (7d, 12h)"),
    until: time("until", "Begun until a time"),
    text: Flag.String("text").pipe(
      Flag.withMetavar("WORDS"),
      Flag.withDescription('In which all these words were said, with a snippet; "a phrase", begin*'),
      Flag.optional,
    ),
    deleted: Flag.Boolean("deleted").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Those that are deleted or expired, in place of all others"),
    ),
    tenant: Flag.String("tenant").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Of this tenant only"),
      Flag.optional,
    ),
    wide: Flag.Boolean("wide").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Whole ids and all columns at a terminal too, as in a pipe"),
    ),
    utc,
    color,
    json,
  },
  Effect.fn("cli.threads")(
    function* (input) {
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      const moment = (written: Option.Option<string>) =>
        Option.flatMap(written, (text) =>
          Option.fromUndefinedOr(momentInZone(text, now, input.utc ? "UTC" : undefined)),
        );
      const filter = {
        ...given("after", input.after),
        ...given("tool", input.tool),
        ...given("model", input.model),
        ...given("project", input.project),
        ...given("branch", input.branch),
        ...given("agent", input.agent),
        ...given("role", input.role),
        ...given("file", input.file),
        ...(input.hasError ? { hasError: true } : {}),
        ...(input.main ? { isMain: true } : {}),
        ...given("since", moment(input.since)),
        ...given("until", moment(input.until)),
        ...given("text", input.text),
        ...given("tenant", input.tenant),
        ...(input.deleted ? { deleted: "only" as const } : {}),
      };
      const query = yield* Query;
      const page = yield* query.threads({ limit: input.limit, ...filter });
      const screen = screenOf(input.color);
      if (input.json) return yield* Output.json({ threads: page.threads, next: page.next ?? null });
      if (page.threads.length === 0) return yield* none(Object.keys(filter).length > 0);
      yield* LastList.remember(page.threads);
      // A search shows where the words stand, and needs the whole width for it.
      if (input.wide || !screen.isTerminal || Option.isSome(input.text)) return yield* show(page);
      return yield* showFitted(page, screen, input.utc, flagsOf(input));
    },
    readModels,
    paged,
  ),
).pipe(
  Command.withDescription("List threads, newest activity first"),
  Command.withExamples([
    { command: 'recollect threads --text "database is locked" --since 7d', description: "Search what was said" },
    { command: "recollect threads --project shop --main --has-error", description: "In which something went wrong" },
    { command: "recollect threads --tool Bash --json", description: "In which a tool was called, as JSON" },
  ]),
);
