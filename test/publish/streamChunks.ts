/** Deltas that real providers sent, from the set `ai-sdk-stream-chunks`; undefined where the set is not there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Delta } from "../../src/domain/thread/Draft.ts";
import { arrayAt, type JsonValue, objectAt, stringAt } from "../../src/domain/Json.ts";
import { dataRoot } from "../domain/realEntries.ts";

const folder = dataRoot === undefined ? undefined : join(dataRoot, "ai-sdk-stream-chunks");

export const hasChunks = folder !== undefined && existsSync(folder);

const words = (type: "text" | "thinking", text: string | undefined): ReadonlyArray<Delta> =>
  text === undefined || text === "" ? [] : [{ type, text }];

/** What one chunk says, in the three shapes that most of the set has. */
const deltasOf = (chunk: JsonValue): ReadonlyArray<Delta> => {
  const delta = objectAt(arrayAt(chunk, "choices")[0], "delta") ?? objectAt(chunk, "delta");
  if (stringAt(chunk, "type") === "response.output_text.delta") return words("text", stringAt(chunk, "delta"));
  if (stringAt(chunk, "type") === "response.reasoning_summary_text.delta")
    return words("thinking", stringAt(chunk, "delta"));
  if (delta === undefined) return [];
  return [
    ...words("thinking", stringAt(delta, "reasoning_content") ?? stringAt(delta, "reasoning")),
    ...words("thinking", stringAt(delta, "thinking")),
    ...words("text", stringAt(delta, "content") ?? stringAt(delta, "text")),
  ];
};

/** The deltas of every recorded answer, by file. */
export const recordedAnswers = (): ReadonlyMap<string, ReadonlyArray<Delta>> =>
  new Map(
    (folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(".chunks.txt"))).map((name) => {
      const lines = readFileSync(join(folder ?? "", name), "utf8").split("\n");
      const deltas = lines.flatMap((line): ReadonlyArray<Delta> => {
        try {
          return deltasOf(JSON.parse(line) as JsonValue);
        } catch {
          return [];
        }
      });
      return [name, deltas] as const;
    }),
  );
