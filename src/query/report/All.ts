/**
 * All reports, in the order in which they are listed.
 *
 * Room: query.
 */
import { overview } from "./definitions/overview.ts";
import { projects, threads } from "./definitions/places.ts";
import { audit, storage } from "./definitions/record.ts";
import { cost, models } from "./definitions/spending.ts";
import { tools } from "./definitions/tools.ts";
import { errors } from "./definitions/trouble.ts";
import { sessions, tasks } from "./definitions/work.ts";
import type { Report } from "./Report.ts";

export const reports: ReadonlyArray<Report> = [
  overview,
  tools,
  models,
  cost,
  projects,
  tasks,
  threads,
  errors,
  sessions,
  storage,
  audit,
];

export const reportNamed = (name: string): Report | undefined => reports.find((report) => report.name === name);
