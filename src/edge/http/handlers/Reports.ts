/**
 * Reports over HTTP: the catalog of `src/query/report`, of the caller's own tenant.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { reportNamed, reports as all } from "../../../query/report/All.ts";
import { runReport } from "../../../query/report/RunReport.ts";
import { csv } from "../../page/plot/Figure.ts";
import { reportJson } from "../../report/ReportJson.ts";
import { Api } from "../api/Api.ts";
import { mayAct, Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { answer, json, orNotThere, reading } from "./Answer.ts";

/** Rows of a part, where none are asked for. */
const usualRows = 100;

const listed = all.map(({ by, doc, name, sections, title }) => ({
  name,
  title,
  doc,
  by: Object.keys(by),
  sections: sections.map((section) => ({ name: section.name, title: section.title, doc: section.doc })),
}));

const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name }).format();
    return true;
  } catch {
    return false;
  }
};

const read = Effect.fnUntraced(function* (
  name: string,
  query: {
    readonly since?: number | undefined;
    readonly until?: number | undefined;
    readonly tz?: string | undefined;
    readonly by?: string | undefined;
    readonly section?: string | undefined;
    readonly limit?: number | undefined;
  },
) {
  const { role, tenant } = yield* Principal;
  const { headers } = yield* HttpServerRequest.HttpServerRequest;
  const report = yield* orNotThere(reportNamed(name), `report ${name}`);
  const { by, limit = usualRows, section, since, tz: zone, until } = query;
  if (zone !== undefined && !isZone(zone))
    return yield* refused({
      status: 400,
      code: "tz",
      detail: `${zone} is no time zone.`,
      hint: "Such as Europe/Berlin.",
    });
  const isCsv = (headers["accept"] ?? "").includes("text/csv");
  const part = section ?? (isCsv ? report.sections[0]?.name : undefined);
  const found = yield* runReport(report, {
    tenant,
    since,
    until,
    zone,
    by,
    limit,
    ofStore: mayAct(role, "operator") ? "shown" : undefined,
    sections: part === undefined ? undefined : [part],
  });
  if (!isCsv) return json(reportJson(found));
  const [first] = found.sections;
  return HttpServerResponse.text(csv(first?.columns.map((column) => column.name) ?? [], first?.rows ?? []), {
    contentType: "text/csv; charset=utf-8",
  });
});

export const reports = HttpApiBuilder.group(Api, "reports", (handlers) =>
  handlers.handleAll({
    list: () => answer(Effect.succeed(json({ reports: listed }))),
    read: ({ params, query }) => reading(read(params.name, query)),
  }),
);
