/**
 * The log: one line an entry, with date and level, for a person or as JSON. stdout belongs to the data.
 *
 * Room: main.
 *
 * No payload: entries are sentences with ids, and one that is longer than a sentence needs is cut.
 */
import { Logger, References } from "effect";
import { shown } from "../edge/cli/Shown.ts";
import { describe } from "../edge/cli/Failure.ts";
import { asCalled } from "../machine/CalledAs.ts";

/** A foreign error may bring anything along. */
const maxLength = 2_000;

const oneLine = (text: string): string => {
  const flat = shown(text.slice(0, 2 * maxLength))
    .replaceAll(/\s+/g, " ")
    .trim();
  return flat.length <= maxLength ? flat : `${flat.slice(0, maxLength - 1).toWellFormed()}…`;
};

/** A sentence that begins with who says it, as `projector: …`. */
const spoken = /^(projector|scrubber|nats-server|snapshotter|spool|disk): (?=\S)/;

const word = (value: unknown): string | undefined => (typeof value === "string" ? oneLine(value) : undefined);

/** `text` or `json`, as the command line says, else `RECOLLECT_LOG_FORMAT`. Read before the commands are loaded. */
export const formatOf = (
  words: ReadonlyArray<string>,
  environment: Readonly<Record<string, string | undefined>>,
): "json" | "text" => {
  const said = /(?:^| )--log-format[= ](\w+)/.exec(words.join(" "))?.[1] ?? environment["RECOLLECT_LOG_FORMAT"];
  return said === "json" ? "json" : "text";
};

export const logger = (format: "json" | "text", write: (line: string) => void) =>
  Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const text = (Array.isArray(message) ? message : [message]).map(String).join(" ");
    const why = cause.reasons.length === 0 ? "" : `: ${describe(cause).text}`;
    const annotations = fiber.getRef(References.CurrentLogAnnotations);
    const component = word(annotations["component"]) ?? spoken.exec(text)?.[1];
    const thread = word(annotations["thread"]);
    const said = asCalled(oneLine(`${text.replace(spoken, "")}${why}`));
    const level = logLevel.toLowerCase();
    const time = date.toISOString();
    if (format === "json") return write(JSON.stringify({ time, level, component, thread, message: said }));
    const about = thread === undefined ? "" : ` (thread ${thread})`;
    return write(`${time} ${level}${component === undefined ? "" : ` ${component}`}: ${said}${about}`);
  });
