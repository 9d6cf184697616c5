/**
 * Methods of a search: by words in the index, or by going through texts for characters or an expression.
 *
 * Room: query.
 *
 * Going through texts is bounded by time, and the answer says so (`isCut`). An expression that would run for ever is ended
 * by it too: V8 looks for the end of its time also within a match. Each such run has a thread that watches it, so texts are
 * gone through in large batches.
 */
import * as vm from "node:vm";
import { QueryRefused } from "../Sql.ts";
import { questionRefused } from "./Question.ts";
import { matchOf, termsOf } from "./SearchText.ts";
import type { SearchFilter } from "./Search.ts";
import { escaped, marksOf } from "./Snippet.ts";

/** Longest time that texts are gone through; about 2 GB on the machine where it was measured. */
const mostMillis = 2_000;

type Mark = readonly [number, number];

interface Shared {
  /** Places in a text that has it. */
  readonly marks: (text: string) => ReadonlyArray<Mark>;
  /** Quality of a text as an answer, 1 for the least. */
  readonly quality: (text: string) => number;
}

export type Finder =
  | ({ readonly by: "index"; readonly match: string } & Shared)
  | ({
      readonly by: "scan";
      /** Match by words that every text with the characters has: only those texts are gone through. */
      readonly match?: string | undefined;
      /** Undefined where the time was over before all were gone through. */
      readonly test: (texts: ReadonlyArray<string>) => ReadonlyArray<boolean> | undefined;
      readonly isOver: () => boolean;
    } & Shared);

const mostMarks = 200;

const everyMatch = (text: string, pattern: RegExp): ReadonlyArray<Mark> => {
  const marks: Array<Mark> = [];
  for (const match of text.matchAll(pattern)) {
    if (match[0] !== "") marks.push([match.index, match.index + match[0].length]);
    if (marks.length === mostMarks) break;
  }
  return marks;
};

const more = (count: number): number => 1 + 0.2 * Math.log2(Math.max(1, count));

const byWords = (filter: SearchFilter): Finder | QueryRefused => {
  const match = matchOf(filter.text);
  const terms = termsOf(filter.text);
  if (match === undefined)
    return new QueryRefused({
      message: "There is no word in what is looked for.",
      hint: "Any characters are found with --contains, and over HTTP and MCP with `by`: contains.",
    });
  const lead = terms.map(({ text }) => text.toLowerCase());
  const together = lead.join(" ");
  return {
    by: "index",
    match,
    marks: (text) => marksOf(text, terms),
    quality: (text) => {
      const lower = text.toLowerCase();
      const least = Math.min(...lead.map((word) => lower.split(word, 10).length - 1));
      return (terms.length > 1 && lower.includes(together) ? 2 : 1) * more(least);
    },
  };
};

/** Words inside of the characters, which stand as whole words in each text that has them. */
const wordsInside = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/(?<=\s)[a-z0-9]+(?=\s)/gi)].map(([word]) => word);

/** Characters themselves: looked for by an expression that cannot run for long. */
const byCharacters = (text: string): Finder => {
  const until = performance.now() + mostMillis;
  const pattern = new RegExp(escaped(text), "giu");
  const single = new RegExp(escaped(text), "iu");
  const words = wordsInside(text);
  return {
    by: "scan",
    match: words.length === 0 ? undefined : matchOf(words.join(" ")),
    isOver: () => performance.now() >= until,
    test: (texts) => texts.map((one) => single.test(one)),
    marks: (one) => everyMatch(one, pattern),
    quality: (one) => more(everyMatch(one, pattern).length),
  };
};

/** Runs within the rest of the time; undefined where that was too short. */
const makeBounded = () => {
  const until = performance.now() + mostMillis;
  const context = vm.createContext({ work: (): unknown => undefined });
  const script = new vm.Script("work()");
  return {
    isOver: () => performance.now() >= until,
    run: <A>(work: () => A): A | undefined => {
      context["work"] = work;
      try {
        return script.runInContext(context, { timeout: Math.max(50, Math.ceil(until - performance.now())) }) as A;
      } catch (cause) {
        if (
          typeof cause === "object" &&
          cause !== null &&
          "code" in cause &&
          cause.code === "ERR_SCRIPT_EXECUTION_TIMEOUT"
        )
          return undefined;
        throw cause;
      }
    },
  };
};

const byExpression = (pattern: RegExp): Finder => {
  const bounded = makeBounded();
  const single = new RegExp(pattern.source, pattern.flags.replace("g", ""));
  let tested = 0;
  return {
    by: "scan",
    isOver: bounded.isOver,
    test: (texts) => {
      const hits = bounded.run(() => texts.map((text) => single.test(text)));
      tested += hits?.length ?? 0;
      if (hits !== undefined || tested > 0) return hits;
      throw new QueryRefused({
        message: `The expression took longer than ${mostMillis / 1000} s.`,
        hint: "Write one without repetitions in repetitions, or narrow the search with --project, --since or --kind.",
      });
    },
    marks: (text) => bounded.run(() => everyMatch(text, pattern)) ?? [],
    quality: (text) => more(bounded.run(() => everyMatch(text, pattern).length) ?? 1),
  };
};

/** Finder of this search, or the refusal. */
export const finderOf = (filter: SearchFilter): Finder | QueryRefused => {
  const refused = questionRefused(filter.text) ?? questionRefused(filter.file);
  if (refused !== undefined) return refused;
  if (filter.by === undefined || filter.by === "words") return byWords(filter);
  if (filter.text === "") return new QueryRefused({ message: "Nothing is looked for.", hint: "Give some characters." });
  if (filter.by === "contains") return byCharacters(filter.text);
  try {
    return byExpression(new RegExp(filter.text, "gimu"));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new QueryRefused({ message: `${why}.`, hint: "The expression is one of JavaScript." });
  }
};
