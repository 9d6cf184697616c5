/**
 * `recollect stats`: what was said, done and spent, in sum, by day and by agent: the report `overview` by a shorter name.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Command } from "effect/cli";
import { overview } from "../../../query/report/definitions/overview.ts";
import { runReport } from "../../../query/report/RunReport.ts";
import { json, readModels, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { paged } from "../Pager.ts";
import { color, screenOf } from "../Screen.ts";
import { reportJson } from "../../report/ReportJson.ts";
import { spanFrom, timeFlags } from "./Report.ts";
import { reportLines } from "./ReportTable.ts";

/** Days and agents that are shown. */
const shownRows = 10;

export const stats = Command.make(
  "stats",
  { ...timeFlags, tenant, json, color },
  Effect.fn("cli.stats")(
    function* (input) {
      const request = { tenant: input.tenant, ...(yield* spanFrom(input)), by: undefined, limit: shownRows };
      const answer = yield* runReport(overview, request);
      if (input.json) return yield* Output.json(reportJson(answer));
      return yield* Output.styled(reportLines(answer, screenOf(input.color)).join("\n"));
    },
    readModels,
    paged,
  ),
).pipe(
  Command.withDescription("What was said, done and spent: in sum, by day and by agent"),
  Command.withExamples([
    { command: "recollect stats", description: "Of everything" },
    { command: "recollect stats --since 7d --tz Europe/Berlin", description: "Of a week, by days in Berlin" },
  ]),
);
