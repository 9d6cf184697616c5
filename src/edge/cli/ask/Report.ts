/**
 * `recollect report`: what was used, what it cost, what goes wrong, in tables, plots, CSV or JSON.
 *
 * Room: edge.
 */
import { Clock, Effect, FileSystem, Option, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { folderTrouble } from "../../../machine/DataFolder.ts";
import { reports } from "../../../query/report/All.ts";
import type { Report } from "../../../query/report/Report.ts";
import { type ReportAnswer, type ReportRequest, runReport } from "../../../query/report/RunReport.ts";
import { reportHtml } from "../../report/ReportHtml.ts";
import { reportJson } from "../../report/ReportJson.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, readModels, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { momentHint } from "../ParseTime.ts";
import { color, screenOf } from "../Screen.ts";
import { zone } from "./AskFlags.ts";
import { print } from "./Forms.ts";
import { reportLines, spanOf } from "./ReportTable.ts";
import { momentInZone } from "./ZonedTime.ts";

/** Rows of a section for a person; for a program all that a report has. */
const shownRows = 15;
const allRows = 10_000;

export const timeFlags = {
  since: Flag.String("since").pipe(
    Flag.withMetavar("TIME"),
    Flag.withDescription("From then on: 2026-11-01 (a day of --tz), 2026-11-01T10:00Z, 12h, 7d"),
    Flag.optional,
  ),
  until: Flag.String("until").pipe(
    Flag.withMetavar("TIME"),
    Flag.withDescription("Before then; the same forms"),
    Flag.optional,
  ),
  tz: zone,
};

/** Moments of the command line in the zone that was asked for. */
export const spanFrom = Effect.fnUntraced(function* (input: {
  readonly since: Option.Option<string>;
  readonly until: Option.Option<string>;
  readonly tz: Option.Option<string>;
}) {
  const now = yield* Clock.currentTimeMillis;
  const own = Option.getOrUndefined(input.tz);
  const moment = (name: string, given: Option.Option<string>) => {
    if (Option.isNone(given)) return Effect.succeed(undefined);
    const at = momentInZone(given.value, now, own);
    return at === undefined
      ? Effect.fail(new BadRequest({ message: `--${name} ${given.value} is no time.`, hint: momentHint }))
      : Effect.succeed(at);
  };
  return { since: yield* moment("since", input.since), until: yield* moment("until", input.until), zone: own };
});

const reportOf = (name: string) => {
  const found = reports.find((report) => report.name === name);
  if (found !== undefined) return Effect.succeed(found);
  const hint = `There are ${reports.map((report) => report.name).join(", ")}.`;
  return Effect.fail(new NotFound({ message: `There is no report ${name}.`, hint }));
};

const asCsv = ({ sections: [first] }: ReportAnswer, form: "csv" | "csv-safe") =>
  first === undefined
    ? Effect.void
    : print({ columns: first.columns.map(({ name }) => name), rows: Stream.fromIterable(first.rows) }, form);

const list = (all: ReadonlyArray<Report>) =>
  Effect.forEach(
    Output.table(
      ["report", "by", "sections", "what"],
      all.map(({ by, doc, name, sections }) => [
        name,
        Object.keys(by).join(" ") || "-",
        sections.map((section) => section.name).join(" "),
        doc,
      ]),
    ),
    (text) => Output.line(text),
    { discard: true },
  );

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description));

export const report = Command.make(
  "report",
  {
    name: Argument.String("report").pipe(
      Argument.withDescription(`One of ${reports.map(({ name }) => name).join(", ")}; absent: what there is`),
      Argument.optional,
    ),
    ...timeFlags,
    by: Flag.String("by").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Group by day, month, project, agent, version, thread, or what else the report has"),
      Flag.optional,
    ),
    section: Flag.String("section").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Only this part of the report"),
      Flag.optional,
    ),
    limit: Flag.Int("limit").pipe(
      Flag.filter(
        (count) => count >= 1 && count <= allRows,
        () => `it is from 1 to ${allRows}`,
      ),
      Flag.withMetavar("COUNT"),
      Flag.withDescription(`Most rows of a part (default: ${shownRows} in a table, else ${allRows})`),
      Flag.optional,
    ),
    tenant,
    json,
    csv: flag("csv", "The first part, or that of --section, as comma-separated values with a header"),
    csvSafe: flag("csv-safe", "The same, with text that a spreadsheet would run as a formula made harmless"),
    html: Flag.String("html").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Write one page with tables and plots that needs nothing else; - is the standard output"),
      Flag.optional,
    ),
    color,
  },
  Effect.fn("cli.report")(function* (input) {
    if (Option.isNone(input.name)) return yield* list(reports);
    const isCsv = input.csv || input.csvSafe;
    if ([input.json, isCsv, Option.isSome(input.html)].filter(Boolean).length > 1)
      return yield* new BadRequest({ message: "--json, --csv and --html are forms of one answer.", hint: "Give one." });
    const definition = yield* reportOf(input.name.value);
    const isTable = !input.json && !isCsv && Option.isNone(input.html);
    const section = Option.getOrUndefined(input.section) ?? (isCsv ? definition.sections[0]?.name : undefined);
    const request: ReportRequest = {
      tenant: input.tenant,
      ofStore: "shown" as const,
      ...(yield* spanFrom(input)),
      by: Option.getOrUndefined(input.by),
      ...(section === undefined ? {} : { sections: [section] }),
      limit: Option.getOrElse(input.limit, () => (isTable ? shownRows : Option.isSome(input.html) ? 100 : allRows)),
    };
    const answered = Effect.gen(function* () {
      const answer = yield* runReport(definition, request);
      if (input.json) return yield* Output.json(reportJson(answer));
      if (isCsv) return yield* asCsv(answer, input.csvSafe ? "csv-safe" : "csv");
      if (Option.isNone(input.html)) return yield* Output.styled(reportLines(answer, screenOf(input.color)).join("\n"));
      const page = reportHtml(answer, spanOf(answer));
      if (input.html.value === "-") return yield* Output.raw(Stream.make(page));
      const fs = yield* FileSystem.FileSystem;
      const path = input.html.value;
      yield* fs
        .writeFileString(path, page)
        .pipe(Effect.mapError((cause) => folderTrouble({ path, cause, hint: "Name another file." })));
      return yield* Output.note(`Written to ${path}.`);
    });
    return yield* readModels(answered);
  }),
).pipe(
  Command.withDescription("Reports: what was used, what it cost, what goes wrong; tables, plots, CSV, JSON"),
  Command.withExamples([
    { command: "recollect report overview --since 7d", description: "What was said, done and spent" },
    {
      command: "recollect report tools --by server --since 2026-11-01 --tz Europe/Berlin",
      description: "Tools by server",
    },
    { command: "recollect report cost --by project --html cost.html", description: "A page with plots" },
  ]),
);
