/**
 * Answers: views that have no rows of their own, for the questions that reports and the page ask.
 *
 * Room: projections.
 */
import type { Projection } from "../src/projection/Projection.ts";
import { costAnswers } from "./answers/costs.ts";
import { names } from "./answers/names.ts";
import { taskAnswers } from "./answers/tasks.ts";
import { threadAnswers } from "./answers/threads.ts";
import { toolAnswers } from "./answers/tools.ts";

export const answers: Projection = {
  name: "answers",
  version: 7,
  doc: "Views over the others' rows, for what reports and the page ask.",
  tables: [],
  views: [...toolAnswers, ...costAnswers, ...taskAnswers, ...threadAnswers, names],
  facts: [],
  handle: () => [],
};
