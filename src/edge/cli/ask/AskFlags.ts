/**
 * Flags of the commands that answer with rows.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Flag } from "effect/cli";
import { BadRequest } from "../Failure.ts";
import { json } from "../Flags.ts";
import type { Form } from "./Forms.ts";

const isZone = (zone: string): boolean => {
  try {
    return Intl.DateTimeFormat("en", { timeZone: zone }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
};

const zoneOf = (description: string) =>
  Flag.String("tz").pipe(
    Flag.filter(isZone, () => "it is no time zone. Write Europe/Berlin, America/New_York or UTC."),
    Flag.withMetavar("ZONE"),
    Flag.withDescription(description),
    Flag.optional,
  );

export const zone = zoneOf(
  "Whose days there are, and whose clock a table shows (default: this machine's days, UTC times)",
);

export const timeZone = zoneOf("Times in full, by the clock of this zone");

const form = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDefault(false), Flag.withDescription(description));

export const forms = {
  json,
  ndjson: form("ndjson", "One JSON object a line"),
  csv: form("csv", "Comma-separated values with a header"),
  csvSafe: form("csv-safe", "The same, with text that a spreadsheet would run as a formula made harmless"),
};

/** The one form that was asked for. */
export const formOf = (input: {
  readonly json: boolean;
  readonly ndjson: boolean;
  readonly csv: boolean;
  readonly csvSafe: boolean;
}): Effect.Effect<Form, BadRequest> => {
  const asked: ReadonlyArray<Form> = [
    ...(input.json ? ["json" as const] : []),
    ...(input.ndjson ? ["ndjson" as const] : []),
    ...(input.csvSafe ? ["csv-safe" as const] : input.csv ? ["csv" as const] : []),
  ];
  const [first = "table", ...more] = asked;
  if (more.length === 0) return Effect.succeed(first);
  const message = `${asked.map((one) => `--${one}`).join(" and ")} are forms of one answer.`;
  return Effect.fail(new BadRequest({ message, hint: "Give one." }));
};
