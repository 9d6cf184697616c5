import { assert, describe, it } from "@effect/vitest";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandPage, helpDocs, written } from "./support/commandPage.ts";
import { program } from "./support/program.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (name: string) => readFileSync(join(root, name), "utf8");
const docs = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const pages = ["README.md", "AGENTS.md", ...docs.map((name) => `docs/${name}`)];

/** The lines between `#region NAME` and its end, without common indentation. */
const regionOf = (file: string, name: string): string => {
  const found = new RegExp(`#region ${name}\\n([^]*?)\\n[^\\n]*#endregion ${name}`).exec(read(file));
  assert.isNotNull(found, `${file} has a region ${name}`);
  return found?.[1] ?? "";
};

/** Every command line of the program that a page shows. */
const commandsIn = (page: string): ReadonlyArray<string> =>
  [...read(page).matchAll(/(?:npx )?recollect ([a-z]+)\b[^\n`]*/g)]
    .filter((match) => /^(npx )?recollect [a-z]+( |$)/.test(match[0]) && match[0].startsWith("npx"))
    .map((match) => match[1] ?? "");

const help = execFileSync(process.execPath, [program, "--help"], { cwd: root, encoding: "utf8" });

// Every help page of the program, one process each.
describe("the page of all commands", { timeout: 120_000 }, () => {
  it("is what the commands say of themselves, with every flag, and each command has an example", async () => {
    const told = await helpDocs();
    assert.strictEqual(written(), commandPage(told), "node test/support/commandPage.ts writes it anew");
    const lacking = told.filter(({ examples = [], subcommands = [] }) => examples.length + subcommands.length === 0);
    assert.deepStrictEqual(
      lacking.map(({ commandPath = [] }) => commandPath.join(" ")),
      [],
    );
  });
});

describe("the pages", () => {
  it("show code that is a region of a file that runs", () => {
    const shown = pages.flatMap((page) => [
      ...read(page).matchAll(/<!-- region (\S+)#(\S+) -->\n```(?:ts|python)\n([^]*?)\n```/g),
    ]);
    assert.isAbove(shown.length, 0);
    for (const [, file = "", name = "", code] of shown) assert.strictEqual(code, regionOf(file, name));
  });

  it("name only commands that there are", () => {
    const named = pages.flatMap(commandsIn);
    assert.include(named, "import");
    for (const name of named) assert.match(help, new RegExp(`^\\s+${name}\\b`, "m"), `recollect ${name}`);
  });

  it("name only npm scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
    const named = pages.flatMap((page) => [...read(page).matchAll(/npm run ([a-z]+)/g)].map((match) => match[1] ?? ""));
    assert.include(named, "drill");
    for (const name of named) assert.property(scripts, name);
  });

  it("are all in the list of pages", () => {
    const listed = read("docs/README.md");
    for (const name of docs) if (name !== "README.md") assert.include(listed, `](${name})`);
  });

  it("link only to files that there are", () => {
    for (const page of pages) {
      for (const [, target = ""] of read(page).matchAll(/\]\(((?!https?:)[^)#]+)[^)]*\)/g)) {
        assert.isTrue(existsSync(join(root, page, "..", target)), `${page} links to ${target}`);
      }
    }
  });
});
