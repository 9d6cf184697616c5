/**
 * The table of attacks in `docs/security.md`: `node test/support/attackPage.ts` writes it anew, `test/security/Attacks.test.ts`
 * holds the page against the list.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { attacks } from "../security/attacks/all.ts";

const file = resolve(import.meta.dirname, "../../docs/security.md");
const begin = "<!-- attacks -->\n";
const end = "<!-- /attacks -->";

const cell = (text: string): string => text.replaceAll("|", "\\|");

export const attackTable = (): string =>
  [
    "| | who | tries to | result | shown by |",
    "|---|---|---|---|---|",
    ...attacks.map(({ attempt, result, shown, who }, index) => {
      const by = typeof shown === "function" ? "security/Attacks" : shown.file.replace(/\.test\.ts$/, "");
      return `| ${index + 1} | ${who} | ${cell(attempt)} | ${cell(result)} | \`${by}\` |`;
    }),
    "",
  ].join("\n");

const parts = (): readonly [string, string, string] => {
  const text = readFileSync(file, "utf8");
  const from = text.indexOf(begin) + begin.length;
  const to = text.indexOf(end);
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
};

export const tableInPage = (): string => parts()[1];

if (process.argv[1] === import.meta.filename) {
  const [before, , after] = parts();
  writeFileSync(file, before + attackTable() + after);
}
