/**
 * The page of all commands, `docs/commands.md`, as the command tree itself tells it: `node test/support/commandPage.ts`
 * writes it anew, `test/docs.test.ts` holds the page against the tree.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, Option } from "effect";
import { CliOutput, Command, type HelpDoc } from "effect/cli";
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { cliFor } from "../../src/edge/cli/Cli.ts";

const file = resolve(import.meta.dirname, "../../docs/commands.md");

/** What `--help` says of a command, and of every command below it, parents first. */
export const helpDocs = async (): Promise<ReadonlyArray<HelpDoc.HelpDoc>> => {
  const cli = await cliFor([]);
  const helpOf = async (path: ReadonlyArray<string>): Promise<HelpDoc.HelpDoc> => {
    let doc: HelpDoc.HelpDoc | undefined;
    const capture = CliOutput.layerPresenter({
      present: (event) =>
        Effect.sync(() => {
          if (event._tag === "Help") doc = event.helpDoc;
        }),
    });
    // The store is never asked: help is all that is wanted.
    const asked = Command.runWith(cli, { version: "0" })([...path, "--help"]) as Effect.Effect<void, unknown>;
    await Effect.runPromise(Effect.ignore(Effect.provide(asked, Layer.merge(capture, NodeServices.layer))));
    if (doc === undefined) throw new Error(`no help of ${path.join(" ")}`);
    return doc;
  };
  const below = async (path: ReadonlyArray<string>): Promise<ReadonlyArray<HelpDoc.HelpDoc>> => {
    const doc = await helpOf(path);
    const names = (doc.subcommands ?? []).flatMap(({ commands }) => commands.map(({ name }) => name));
    const all = [doc];
    for (const name of names) all.push(...(await below([...path, name])));
    return all;
  };
  return below([]);
};

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

const flagRow = ({ aliases, description, name, type }: HelpDoc.FlagDoc): string => {
  const spelled = [...aliases, `--${name}`].map((one) => (one.startsWith("-") ? one : `-${one}`)).join(", ");
  const value = type === "boolean" ? "" : ` ${type}`;
  return `| \`${spelled}${cell(value)}\` | ${cell(Option.getOrElse(description, () => ""))} |`;
};

const section = (doc: HelpDoc.HelpDoc): string => {
  const path = (doc.commandPath ?? ["recollect"]).join(" ");
  const examples = (doc.examples ?? []).map(({ command, description }) =>
    description === undefined ? command : `${command}   # ${description}`,
  );
  return [
    `## ${path}`,
    `${doc.description}.`,
    `\`${doc.usage}\``,
    ...(doc.flags.length === 0 ? [] : [["| flag | |", "|---|---|", ...doc.flags.map(flagRow)].join("\n")]),
    ...(examples.length === 0 ? [] : ["```sh\n" + examples.join("\n") + "\n```"]),
  ].join("\n\n");
};

/** The page, from its first word to its last. */
export const commandPage = (docs: ReadonlyArray<HelpDoc.HelpDoc>): string => {
  const inherited = docs.at(-1)?.inheritedFlags ?? [];
  return `${[
    "# Every command",
    "Written by `node test/support/commandPage.ts` from what `--help` says; [cli.md](cli.md) is the contract of `--json` and of the exit codes.",
    "Every command takes:",
    ["| flag | |", "|---|---|", ...inherited.map(flagRow)].join("\n"),
    ...docs.slice(1).map(section),
  ].join("\n\n")}\n`;
};

/** The page as it stands. */
export const written = (): string => readFileSync(file, "utf8");

if (import.meta.main) writeFileSync(file, commandPage(await helpDocs()));
