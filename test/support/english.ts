/**
 * Reads the docstrings of the source: they begin with a noun, and name who is meant.
 *
 * A reader in a hurry takes the first word of a docstring for its subject. "What is written" has to be read to its end
 * before it says that it is a list of records.
 */
import type { SourceFile } from "./flow.ts";

const question =
  /^(?:Who|Whom|Whose|Whoever|What|Whatever|How|However|Where|Wherever|Whether|When|Whenever|Why|Which)(?=[\s,:;.])/;
const anyone = /\b(?:nobody|somebody|everybody)\b/i;

/** Docstrings of a file with the line that each begins at, without stars, line breaks and code. */
const docstringsOf = ({ text }: SourceFile): ReadonlyArray<{ readonly line: number; readonly said: string }> =>
  [...text.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map(({ 1: inside = "", index }) => ({
    line: text.slice(0, index).split("\n").length,
    said: inside
      .replaceAll(/\s*\n\s*\*? ?/g, " ")
      .replaceAll(/`[^`]*`/g, "``")
      .trim(),
  }));

/** What a reader would stumble over, as sentences that name file and line. */
export const stumbles = (files: ReadonlyArray<SourceFile>): ReadonlyArray<string> =>
  files.flatMap((file) =>
    docstringsOf(file).flatMap(({ line, said }) => {
      const where = `${file.path}:${line}`;
      const word = question.exec(said)?.[0];
      const pronoun = anyone.exec(said)?.[0];
      return [
        ...(word === undefined ? [] : [`${where} begins with "${word}": begin with the noun.`]),
        ...(pronoun === undefined ? [] : [`${where} says "${pronoun}": name who it is.`]),
      ];
    }),
  );
