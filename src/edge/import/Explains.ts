/**
 * True when a format explains what a file holds: a wrong reader is worse than none.
 *
 * Room: edge.
 *
 * A format's lines may look like another's and mean nothing to it: then its interpreter finds no words, calls or usage
 * in them. Such a file is not of that format, and is passed over by name rather than read as empty messages.
 */
import type { Fact } from "../../domain/Fact.ts";
import { interpreters } from "../../domain/interpret/interpreters.ts";
import { type Carry, noCarry } from "../../domain/interpret/Interpreter.ts";
import type { JsonValue } from "../../domain/Json.ts";
import { formatOfLine } from "./formats/LineFormats.ts";

const isTelling = (fact: Fact): boolean =>
  fact._tag === "ToolWasCalled" ||
  fact._tag === "ToolHasReturned" ||
  fact._tag === "TokensUsed" ||
  (fact._tag === "MessageSaid" && fact.parts.length > 0);

/** Known to the format, and saying nothing by itself: a title, a notice. */
const isKnown = (fact: Fact): boolean => fact._tag === "ThreadDescribed" || fact._tag === "Noted";

/**
 * True when some lines of a file make sense to a format: one of them says something, or most of those that look like it are
 * notices that it knows (a file that has only begun).
 */
export const explains = (format: string, lines: ReadonlyArray<JsonValue>): boolean => {
  const interpreter = interpreters.get(format);
  if (interpreter === undefined) return false;
  let carry: Carry = noCarry;
  let known = 0;
  let empty = 0;
  for (const [index, line] of lines.entries()) {
    if (formatOfLine(line) !== format) continue;
    const context = { threadId: "head", eventId: `head ${index}`, occurredAt: 0, place: "line" } as const;
    const told = interpreter.interpret(line, context, carry);
    carry = told.carry ?? carry;
    if (told.facts.some(isTelling)) return true;
    if (told.facts.every(isKnown)) known++;
    else empty++;
  }
  return known > empty;
};
