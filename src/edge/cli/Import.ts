/**
 * `recollect import`: transcripts into the store, with a bar on the way and a report at the end.
 *
 * Room: edge.
 */
import { Effect, Path, Stdio } from "effect";
import { Argument, Command, Flag, Prompt } from "effect/cli";
import { allTranscripts } from "../import/find/Discover.ts";
import { formats } from "../import/Entry.ts";
import { importPaths } from "../import/Importer.ts";
import type { ImportReport, Kept, Refusal } from "../import/Report.ts";
import { caughtUp } from "./CaughtUp.ts";
import type { Stamps } from "../import/StampsSqlite.ts";
import { BadRequest, NotFound } from "./Failure.ts";
import { json, storeFromNow, tenant } from "./Flags.ts";
import { onThisMachine, placesTable, stampsOfStore } from "./OnThisMachine.ts";
import * as Output from "./Output.ts";
import * as Progress from "./Progress.ts";

/** Refusals shown to a person; the whole list is in `--json`. */
const mostShown = 20;

const interrupted = "Interrupted. Events in the log stay; the same command goes on where this one ended.";

const refusalLine = ({ byte, file, line, reason }: Refusal & Pick<Kept, "byte">): string =>
  `  ${file}${line === undefined ? "" : `:${line}`}${byte === undefined ? "" : `:${byte}`}\n    ${reason}`;

const summary = Effect.fnUntraced(function* (report: ImportReport) {
  const rate = report.millis > 0 ? (report.bytes / report.millis) * 1000 : 0;
  yield* Output.line(
    `${Output.counted(report.files, "file")} (${Output.bytes(report.bytes)}) in ${Output.duration(report.millis)}, ${Output.bytes(rate)}/s`,
  );
  const rows: ReadonlyArray<readonly [string, number, string]> = [
    ["threads", report.threads, ""],
    ["messages", report.messages, ""],
    ["repeated", report.repeated, "messages copied from another thread, counted there"],
    ["tool calls", report.toolCalls, ""],
    ["events appended", report.eventsAppended, ""],
    ["unchanged", report.unchanged, "files that were not read again"],
    ["duplicates", report.duplicates, "in the store already"],
    ["renamed", report.renamed, "whose id was taken, kept under another"],
    ["unknown", report.unknown, "not JSON, or of an unknown kind; kept as they came"],
    ["skipped", report.skipped.length, "files that are no conversation"],
    ["refused", report.refused.length, ""],
  ];
  // Of files that were not read again nothing is counted.
  const isCounted = report.unchanged === 0;
  for (const [name, value, remark] of rows) {
    if (value > 0 || (remark === "" && (isCounted || name === "events appended" || name === "refused")))
      yield* Output.line(`  ${name.padEnd(16)}${Output.count(value).padStart(10)}  ${remark}`.trimEnd());
  }
  const formatsTable = Output.table(
    ["format", "files", "entries"],
    Object.entries(report.formats).map(([format, { entries, files }]) => [
      format,
      Output.count(files),
      Output.count(entries),
    ]),
  );
  if (formatsTable.length > 1) for (const row of ["", ...formatsTable]) yield* Output.line(row);
  yield* listed("Refused:", report.refused);
  yield* listed("Kept as they came (file:line:byte):", report.kept);
});

const listed = Effect.fnUntraced(function* (title: string, refusals: ReadonlyArray<Refusal>) {
  if (refusals.length === 0) return;
  yield* Output.note(`\n${title}`);
  for (const refusal of refusals.slice(0, mostShown)) yield* Output.note(refusalLine(refusal));
  const more = refusals.length - mostShown;
  if (more > 0) yield* Output.note(`  … and ${more} more: --json lists them all`);
});

/** Files that were named one by one and taken nothing of are said by name; of folders only their number is. */
const passedOver = (report: ImportReport, named: ReadonlySet<string>): ReadonlyArray<Refusal> =>
  report.files === 0 ? report.skipped : report.skipped.filter(({ file }) => named.has(file));

/** Nothing of what was given was taken: a slip of the pen must not look like an import. */
const nothingTaken = (report: ImportReport) => {
  const given = report.skipped.length + report.refused.length;
  return new BadRequest({
    message:
      given === 0
        ? "Nothing was imported: there is no file in what was named."
        : `Nothing was imported: ${given === 1 ? "the file holds no conversation" : `none of ${given} files holds a conversation`} that can be read.`,
    hint: "The reason for each is given above (--json lists them all); docs/agents.md says which formats are read.",
  });
};

/**
 * The transcripts of this machine that are to be imported: new ones and changed ones. The findings are said first; a
 * person is asked, a program has to say `--yes`.
 */
const found = Effect.fnUntraced(function* (
  stamps: Stamps | undefined,
  { again, json: isJson, yes }: { readonly again: boolean; readonly json: boolean; readonly yes: boolean },
) {
  const places = yield* onThisMachine(stamps);
  const all = places.reduce((sum, { files }) => sum + files, 0);
  if (all === 0)
    return yield* new NotFound({
      message: "There are no transcripts where agents keep them on this machine.",
      hint: "Name a file or folder: recollect import PATH. docs/agents.md says where each agent writes.",
    });
  for (const row of placesTable(places)) yield* Output.note(row);
  const news = places.flatMap(({ changed, fresh }) => [...fresh, ...changed]);
  if (news.length === 0 && !again) {
    if (isJson) yield* Output.json({ files: 0, unchanged: all, eventsAppended: 0 });
    yield* Output.note("\nNothing is new: all of it was imported as it is.");
    return [];
  }
  const paths = again ? (yield* allTranscripts).flatMap(({ files }) => files.map(({ path }) => path)) : news;
  const question = `Import ${Output.counted(paths.length, "file")}, of ${Output.count(all)} on this machine?`;
  const stdio = yield* Stdio.Stdio;
  const canAsk = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal);
  if (!yes && !canAsk)
    return yield* new BadRequest({ message: question, hint: "Say --yes to import them, or name a path." });
  const isWanted = yes || (yield* Prompt.run(Prompt.Confirm({ message: question, initial: true })));
  return isWanted ? paths : [];
});

export const importCommand = Command.make(
  "import",
  {
    paths: Argument.String("path").pipe(
      Argument.withDescription(
        "Files and folders with transcripts (default: everything that agents keep on this machine)",
      ),
      Argument.variadic(),
    ),
    yes: Flag.Boolean("yes").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Without a path: import what is found and do not ask"),
    ),
    again: Flag.Boolean("again").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Read files too that have not changed since they were imported"),
    ),
    follow: Flag.Boolean("follow").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Go on until it is ended: what agents write is in the store within a second"),
    ),
    format: Flag.Literals("format", ["auto", ...formats]).pipe(
      Flag.withDescription("Read every file as this format instead of finding it by content"),
      Flag.withDefault("auto" as const),
    ),
    tenant,
    json,
  },
  Effect.fn("cli.import")(
    function* (input) {
      if (input.follow) {
        if (input.format !== "auto" || input.again)
          return yield* new BadRequest({
            message: "--follow finds each file's format by its content, and reads what is new.",
            hint: "Leave out --format and --again, or import once with them.",
          });
        const { followTranscripts } = yield* Effect.promise(() => import("./live/ImportFollow.ts"));
        return yield* followTranscripts(input);
      }
      const stamps = yield* stampsOfStore(input.tenant);
      const paths = input.paths.length > 0 ? input.paths : yield* found(stamps, input);
      if (paths.length === 0) return;
      const bar = yield* Progress.make();
      const report = yield* importPaths({
        paths,
        tenant: input.tenant,
        stamps: input.again ? undefined : stamps,
        format: input.format === "auto" ? undefined : input.format,
        onProgress: ({ bytes, file, files, totalBytes, totalFiles }) =>
          bar.show({ done: bytes, total: totalBytes, what: `${files}/${totalFiles} ${file}` }),
      }).pipe(Effect.onInterrupt(() => Output.note(interrupted)));
      bar.clear();
      yield* caughtUp(yield* Progress.make(Progress.events));
      if (input.json) yield* Output.json(report);
      else {
        yield* summary(report);
        const path = yield* Path.Path;
        yield* listed("Passed over:", passedOver(report, new Set(input.paths.map((one) => path.resolve(one)))));
      }
      if (report.files === 0) return yield* nothingTaken(report);
      const stdio = yield* Stdio.Stdio;
      const isTerminal = yield* stdio.stdoutIsTerminal;
      if (!input.json && isTerminal)
        yield* Output.note('Next: recollect threads, or recollect sql "SELECT * FROM v_tool_stats"');
    },
    Effect.scoped,
    storeFromNow,
  ),
).pipe(
  Command.withDescription("Import transcripts of agents; again at any time: only what is new is added"),
  Command.withExamples([
    { command: "recollect import", description: "Everything that agents keep on this machine, after a question" },
    { command: "recollect import ~/.claude/projects", description: "All of Claude Code's sessions" },
    { command: "recollect import --follow", description: "All of it, and from then on what agents write" },
    { command: "recollect import ~/.codex/sessions --json", description: "Codex, with the report as JSON" },
  ]),
);
