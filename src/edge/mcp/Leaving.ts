/**
 * The one place where an answer leaves: every tool, resource and prompt gives what it says through here.
 *
 * Room: edge.
 *
 * Parts that may not be shown are taken out here, before the text is made.
 */
import type { Shown } from "../../client/Shown.ts";
import type { JsonValue } from "../../domain/Json.ts";

/** The text of an answer. Data stands in it once: no structured copy goes beside it. */
export const leaving = (answer: JsonValue, { value }: Shown): string => JSON.stringify(value(answer));
