/**
 * The length of a question.
 *
 * Room: query.
 */
import { QueryRefused } from "../Sql.ts";

/** Longest question, UTF-16 units: FTS5 takes the square of its words' number, 0.1 s of processor for 2,000 of them. */
const longestQuestion = 8_192;

/** Refusal of a question that is too long. */
export const questionRefused = (text: string | undefined): QueryRefused | undefined =>
  text === undefined || text.length <= longestQuestion
    ? undefined
    : new QueryRefused({
        message: `What is looked for has ${text.length} characters; at most ${longestQuestion} are looked for.`,
        hint: "Give the words that matter.",
      });
