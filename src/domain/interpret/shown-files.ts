/**
 * Files as a transcript shows them: what a tool gave to the model, where the line of its result has the text as it was read.
 *
 * Room: domain.
 *
 * It is what was shown, and not the file: a part of it, perhaps, and with line ends as the tool gave them.
 */
import type { Fact } from "../Fact.ts";
import { arrayAt, type JsonObject, numberAt, objectAt, stringAt } from "../Json.ts";
import { sha256Of } from "../thread/RepeatedText.ts";
import { idAt } from "./facts.ts";

/** Claude Code's Read: `toolUseResult.file` of the line that has the result, beside the text with its line numbers. */
export const shownFile = (line: JsonObject, messageId: string): ReadonlyArray<Fact> => {
  const outcome = objectAt(line, "toolUseResult");
  const file = stringAt(outcome, "type") === "text" ? objectAt(outcome, "file") : undefined;
  const path = stringAt(file, "filePath");
  const text = stringAt(file, "content");
  if (path === undefined || text === undefined) return [];
  const results = arrayAt(objectAt(line, "message"), "content").filter(
    (block) => stringAt(block, "type") === "tool_result",
  );
  const [fromLine, lines, all] = ["startLine", "numLines", "totalLines"].map((name) => numberAt(file, name));
  const isWhole = fromLine === 1 && lines === all;
  const isPart = !isWhole && fromLine !== undefined && lines !== undefined;
  return [
    {
      _tag: "FileWasRead",
      path,
      sha256: sha256Of(text),
      bytes: Buffer.byteLength(text, "utf8"),
      fromLine: isPart ? fromLine : undefined,
      toLine: isPart ? fromLine + lines - 1 : undefined,
      callId: results.length === 1 ? idAt(results[0], "tool_use_id") : undefined,
      messageId,
      shown: text,
    },
  ];
};
