/**
 * `recollect search WORDS`: what was said, given to tools and answered by them; the best threads with their best hits.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Query } from "../../../query/Query.ts";
import { hitKinds, type SearchAnswer, type SearchFilter, type SearchHit } from "../../../query/search/Search.ts";
import { BadRequest } from "../Failure.ts";
import { given, json, readModels } from "../Flags.ts";
import * as Output from "../Output.ts";
import { paged } from "../Pager.ts";
import { momentHint, momentOf } from "../ParseTime.ts";
import { timeZone } from "../ask/AskFlags.ts";
import { momentIn } from "../ask/Figure.ts";
import { momentInZone } from "../ask/ZonedTime.ts";
import { agentName, bold, color, dim, folderName, type Screen, screenOf, utc, when } from "../Screen.ts";
import * as LastList from "./LastList.ts";
import { namedInHint, shortIds, wholeThread } from "./ThreadIds.ts";
import { isOfSeveralTenants, threadTitle } from "./ThreadRows.ts";

const indent = 4;

const kindWord: Readonly<Record<SearchHit["kind"], string>> = {
  said: "said",
  thinking: "thought",
  arguments: "arguments",
  result: "result",
  file: "file",
  title: "title",
  summary: "summary",
};

const headOf = (hit: SearchHit): string => {
  if (hit.kind === "said") return hit.role ?? "said";
  return hit.toolName === null ? kindWord[hit.kind] : `${hit.toolName} ${kindWord[hit.kind]}`;
};

/** The snippet with what was found in bold; in brackets where there is none. */
const marked = ({ marks, snippet }: SearchHit, screen: Screen): string => {
  let shown = "";
  let at = 0;
  for (const [from, to] of marks) {
    const word = Output.shown(snippet.slice(from, to));
    shown += Output.shown(snippet.slice(at, from)) + (screen.isColored ? bold(word, screen) : `[${word}]`);
    at = to;
  }
  return shown + Output.shown(snippet.slice(at));
};

interface How {
  readonly screen: Screen;
  readonly now: number;
  /** Times in full. Absent: relative ones. */
  readonly full: ((millis: number) => string) | undefined;
  readonly short: ReadonlyArray<string>;
}

const hitLine = (hit: SearchHit, how: How): string => {
  const time = hit.at === null ? [] : [(how.full ?? ((at: number) => when(at, how.now)))(hit.at)];
  const about = [headOf(hit), ...time, `at ${hit.sequence}`].map(Output.shown).join("  ");
  return `  ${dim(about, how.screen)}\n${" ".repeat(indent)}${marked(hit, how.screen)}`;
};

const show = Effect.fnUntraced(function* (answer: SearchAnswer, how: How) {
  const isMixed = isOfSeveralTenants(answer.threads.map(({ thread }) => thread));
  for (const [at, { count, hits, thread }] of answer.threads.entries()) {
    const id = how.short[at] ?? thread.threadId;
    const active = thread.lastActivityAt;
    const time = active === null ? "-" : (how.full ?? ((millis: number) => when(millis, how.now)))(active);
    const tenant = isMixed ? [thread.tenant] : [];
    const about = [time, agentName(thread.tool, thread.client), folderName(thread.cwd), ...tenant]
      .filter((text) => text !== "-")
      .map(Output.shown)
      .join("  ");
    const room = how.screen.columns - id.length - about.length - 4;
    // A long title has a line of its own.
    const title = Output.clip(threadTitle(thread), Math.max(room, how.screen.columns - id.length - 2));
    yield* Output.styled(`${at === 0 ? "" : "\n"}${bold(id, how.screen)}  ${title}`);
    if (about !== "") yield* Output.styled(`  ${dim(about, how.screen)}`);
    for (const hit of hits) yield* Output.styled(hitLine(hit, how));
    if (count > hits.length)
      yield* Output.styled(
        `  ${dim(`${answer.isCut ? "at least " : ""}${Output.counted(count - hits.length, "more hit")}`, how.screen)}`,
      );
  }
  const [best] = answer.threads;
  const place = best?.hits[0];
  if (best === undefined || place === undefined) return;
  yield* Output.line();
  if (answer.isCut)
    yield* Output.note(
      "There are older hits that were not looked at. Narrow it with --project, --agent, --kind or another word.",
    );
  yield* Output.note(
    `Open the place: recollect thread ${namedInHint({ threadId: how.short[0] ?? best.thread.threadId, tenant: best.thread.tenant })} --around ${place.sequence}`,
  );
});

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional);

const time = (name: string, description: string) =>
  Flag.String(name).pipe(
    Flag.filter(
      (written) => momentOf(written, 0) !== undefined,
      () => `it is no time. ${momentHint}`,
    ),
    Flag.withMetavar("TIME"),
    Flag.withDescription(description),
    Flag.optional,
  );

const howFound = (contains: boolean, regex: boolean): SearchFilter["by"] =>
  regex ? "regex" : contains ? "contains" : "words";

const asJson = ({ isCut, ranked, threads }: SearchAnswer) => ({
  threads: threads.map(({ count, hits, thread }) => ({
    threadId: thread.threadId,
    tenant: thread.tenant,
    title: thread.title,
    opening: thread.opening,
    tool: thread.tool,
    client: thread.client,
    cwd: thread.cwd,
    branch: thread.branch,
    lastActivityAt: thread.lastActivityAt,
    count,
    hits,
  })),
  ranked,
  isCut,
});

export const searchCommand = Command.make(
  "search",
  {
    words: Argument.String("words").pipe(
      Argument.withDescription('All of them in one text; "a phrase", begin*, getUserById or user'),
      Argument.variadic({ min: 1 }),
    ),
    contains: Flag.Boolean("contains").pipe(
      Flag.withDefault(false),
      Flag.withDescription("These characters, wherever they stand (goes through texts for 2 s at most)"),
    ),
    regex: Flag.Boolean("regex").pipe(
      Flag.withDefault(false),
      Flag.withDescription("A regular expression, without case (goes through texts for 2 s at most)"),
    ),
    kind: Flag.Literals("kind", hitKinds).pipe(
      Flag.withDescription("Only hits of this kind; may be given several times"),
      Flag.between(0, hitKinds.length),
    ),
    thread: text("thread", "ID", "Only in this thread"),
    project: text("project", "DIR", "In this working directory, one below it, or one of this name"),
    branch: text("branch", "NAME", "On this branch"),
    agent: text("agent", "NAME", "Of this agent: claude, codex, gemini …"),
    model: text("model", "NAME", "Said by a model whose name has this in it"),
    role: text("role", "ROLE", "Said by user, assistant, system …"),
    tool: text("tool", "NAME", "Given to this tool, or answered by it"),
    file: text("file", "PATH", "In threads that read this file or named it to a tool"),
    since: time("since", "Said since a time (2026-11-01) or for so long (7d, 12h)"),
    until: time("until", "Said until a time"),
    hasError: Flag.Boolean("has-error").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Only what failed calls were given and answered"),
    ),
    main: Flag.Boolean("main").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Only in threads that work for no other one: no sub-agents"),
    ),
    more: Flag.Boolean("more").pipe(
      Flag.withDefault(false),
      Flag.withDescription("With filters: go on through older hits (for 2 s at most)"),
    ),
    limit: Flag.Int("limit").pipe(
      Flag.filter(
        (count) => count >= 1 && count <= 1000,
        () => "it is from 1 to 1000",
      ),
      Flag.withMetavar("COUNT"),
      Flag.withDescription("At most so many threads, 1 to 1000 (default: 10)"),
      Flag.withDefault(10),
    ),
    tenant: text("tenant", "NAME", "Of this tenant only"),
    utc,
    tz: timeZone,
    color,
    json,
  },
  Effect.fn("cli.search")(
    function* (input) {
      if (input.contains && input.regex)
        return yield* new BadRequest({ message: "--contains and --regex are two ways to look.", hint: "Give one." });
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      const tz = Option.getOrUndefined(input.tz);
      const moment = (written: Option.Option<string>) =>
        Option.flatMap(written, (one) =>
          Option.fromUndefinedOr(momentInZone(one, now, tz ?? (input.utc ? "UTC" : undefined))),
        );
      const query = yield* Query;
      const screen = screenOf(input.color);
      const { tenant, ...threadId } = Option.isSome(input.thread)
        ? yield* wholeThread(input.thread.value, Option.getOrUndefined(input.tenant))
        : { tenant: Option.getOrUndefined(input.tenant) };
      const answer = yield* query.search({
        text: input.words.join(" "),
        by: howFound(input.contains, input.regex) ?? "words",
        limit: input.limit,
        hasError: input.hasError,
        isMain: input.main,
        goesOn: input.more,
        width: input.json ? 240 : screen.isTerminal ? screen.columns - indent - 1 : 160,
        ...(input.kind.length === 0 ? {} : { kinds: input.kind }),
        ...threadId,
        ...given("project", input.project),
        ...given("branch", input.branch),
        ...given("agent", input.agent),
        ...given("model", input.model),
        ...given("role", input.role),
        ...given("tool", input.tool),
        ...given("file", input.file),
        ...given("since", moment(input.since)),
        ...given("until", moment(input.until)),
        ...(tenant === undefined ? {} : { tenant }),
      });
      if (input.json) return yield* Output.json(asJson(answer));
      if (answer.threads.length === 0)
        return yield* Output.note(
          answer.isCut
            ? `Nothing found in the newest texts, and there are older ones. Narrow the search${input.more || input.contains || input.regex ? "" : ", or go on through them: --more"}.`
            : "Nothing found.",
        );
      const ids = answer.threads.map(({ thread }) => thread.threadId);
      yield* LastList.remember(answer.threads.map(({ thread }) => thread));
      const short = screen.isTerminal ? yield* shortIds(ids) : ids;
      const isFull = input.utc || tz !== undefined || !screen.isTerminal;
      yield* show(answer, { screen, now, full: isFull ? momentIn(input.utc ? undefined : tz) : undefined, short });
    },
    readModels,
    paged,
  ),
).pipe(
  Command.withDescription("Find what was said, what tools were given and what they answered"),
  Command.withExamples([
    { command: 'recollect search "database is locked" --since 7d', description: "The best threads, with their hits" },
    {
      command: "recollect search ECONNREFUSED --kind result --has-error",
      description: "In what failed calls answered",
    },
    { command: "recollect search --regex 'TODO\\(\\w+\\)' --json", description: "By a regular expression, as JSON" },
  ]),
);
