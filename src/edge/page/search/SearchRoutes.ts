/**
 * Route of the search; its results alone when the script asks for them as one types.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpRouter } from "effect/http";
import { Query } from "../../../query/Query.ts";
import { hitKinds, type SearchFilter } from "../../../query/search/Search.ts";
import { asked, given } from "../Asked.ts";
import { guarded } from "../Guarded.ts";
import { part, shown } from "../Shown.ts";
import { mostThreads, results, type Search, searchScreen } from "./SearchScreen.ts";

const searchOf = (query: URLSearchParams): Search => {
  const by = query.get("by");
  const kinds = new Set(query.getAll("kind"));
  const text = (name: string) => given(query, name) ?? "";
  return {
    text: query.get("q") ?? "",
    by: by === "contains" || by === "regex" ? by : "words",
    kinds: hitKinds.filter((kind) => kinds.has(kind)),
    project: text("project"),
    agent: text("agent"),
    model: text("model"),
    tool: text("tool"),
    file: text("file"),
    since: text("since"),
    until: text("until"),
    hasError: query.get("failed") !== null,
  };
};

/** The beginning or the end of a day in the server's time zone; undefined where it is none. */
const timeOf = (day: string, time: string): number | undefined => {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(day) ? Date.parse(`${day}T${time}`) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
};

const filterOf = (search: Search, tenant: string | undefined): SearchFilter => {
  const { agent, by, file, hasError, kinds, model, project, text, tool } = search;
  const since = timeOf(search.since, "00:00:00");
  const until = timeOf(search.until, "23:59:59.999");
  return {
    text,
    by,
    limit: mostThreads,
    width: 220,
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(project === "" ? {} : { project }),
    ...(agent === "" ? {} : { agent }),
    ...(model === "" ? {} : { model }),
    ...(tool === "" ? {} : { tool }),
    ...(file === "" ? {} : { file }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(hasError ? { hasError } : {}),
    ...(tenant === undefined ? {} : { tenant }),
  };
};

const search = Effect.gen(function* () {
  const { isPart, now, query, viewer, wishes } = yield* asked;
  const wanted = searchOf(query);
  const answer =
    wanted.text.trim() === ""
      ? undefined
      : yield* Effect.flatMap(Query, (store) => store.search(filterOf(wanted, viewer.tenant)));
  if (isPart) return part(results(answer, now));
  const title = wanted.text === "" ? "Search" : `${wanted.text.slice(0, 60)} · Search`;
  return shown({ title, at: "/search", body: searchScreen(wanted, answer, now), wishes });
});

export const layer = HttpRouter.add("GET", "/search", guarded(search));
