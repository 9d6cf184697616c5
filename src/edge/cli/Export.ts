/**
 * `recollect export`: one thread as a transcript, as it came in; or everything, as SQLite, Parquet or CloudEvents.
 *
 * Room: edge.
 */
import { Effect, Option, Path, Stdio, Stream } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { Query } from "../../query/Query.ts";
import { cloudEvents } from "../export/CloudEvents.ts";
import { exportThread } from "../export/Export.ts";
import { type Document, documentOf, documents } from "../export/ThreadDocument.ts";
import { formats } from "../import/Entry.ts";
import { BadRequest } from "./Failure.ts";
import { readModels, store, tenant, threadArgument } from "./Flags.ts";
import * as Output from "./Output.ts";
import { everything } from "./threads/Thread.ts";
import { threadNamed, wholeThread } from "./threads/ThreadIds.ts";

const transcript = Effect.fnUntraced(function* (input: {
  readonly thread: string;
  readonly tenant: string;
  readonly format: string | undefined;
}) {
  const stdio = yield* Stdio.Stdio;
  const named = yield* wholeThread(input.thread, input.tenant);
  const { threadId: thread } = named;
  const pieces = yield* exportThread({ ...input, ...named, thread, shown: yield* Output.Shows });
  yield* Stream.run(pieces, stdio.stdout({ endOnDone: false }));
}, store);

const document = Effect.fnUntraced(function* (input: {
  readonly thread: string;
  readonly tenant: string;
  readonly format: Document;
}) {
  const query = yield* Query;
  const thread = yield* threadNamed(input.thread, input.tenant);
  const key = { threadId: thread.threadId, tenant: thread.tenant };
  const whole = {
    thread,
    messages: yield* everything(key, query.messages),
    calls: yield* everything(key, query.toolCalls),
    compactions: yield* everything(key, query.compactions),
  };
  yield* Output.raw(Stream.fromIterable(documentOf(whole, input.format)));
}, readModels);

const events = Effect.fnUntraced(function* (input: {
  readonly thread: string | undefined;
  readonly tenant: string;
  readonly after: number;
}) {
  const stdio = yield* Stdio.Stdio;
  const named = input.thread === undefined ? undefined : yield* wholeThread(input.thread, input.tenant);
  const which =
    named === undefined ? { ...input, thread: undefined } : { ...input, thread: named.threadId, tenant: named.tenant };
  yield* Stream.run(cloudEvents(which), stdio.stdout({ endOnDone: false }));
}, readModels);

const sqlite = Effect.fnUntraced(function* (file: string) {
  const path = yield* Path.Path;
  yield* Query.use((query) => query.copyInto(path.resolve(file)));
  yield* Output.note(`Written to ${file}.`);
}, readModels);

const parquet = Effect.fnUntraced(function* (folder: string) {
  const path = yield* Path.Path;
  const { exportParquet } = yield* Effect.promise(() => import("../export/Parquet.ts"));
  yield* exportParquet(path.resolve(folder));
  yield* Output.note(`Written to ${folder}.`);
}, readModels);

export const exportCommand = Command.make(
  "export",
  {
    thread: threadArgument.pipe(Argument.optional),
    format: Flag.Literals("format", [...formats, ...documents]).pipe(
      Flag.withDescription(
        "Its own format gives back what came in, with --raw each entry byte for byte; another one tells the conversation in it; md and html are to be read (default: its own)",
      ),
      Flag.optional,
    ),
    cloudevents: Flag.Boolean("cloudevents").pipe(
      Flag.withDefault(false),
      Flag.withDescription("The ledger (or the thread) as CloudEvents in JSON, one a line"),
    ),
    after: Flag.Int("after").pipe(
      Flag.withMetavar("SEQUENCE"),
      Flag.withDescription("With --cloudevents: only what comes behind it"),
      Flag.withDefault(0),
    ),
    sqlite: Flag.String("sqlite").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("A copy of the database as it is now, in a file of its own"),
      Flag.optional,
    ),
    parquet: Flag.String("parquet").pipe(
      Flag.withMetavar("DIR"),
      Flag.withDescription("The main views as Parquet files by day, written by a DuckDB that is installed"),
      Flag.optional,
    ),
    tenant,
  },
  Effect.fn("cli.export")(function* (input) {
    const thread = Option.getOrUndefined(input.thread);
    const format = Option.getOrUndefined(input.format);
    const isOther = thread !== undefined || format !== undefined || input.cloudevents;
    if (Option.isSome(input.sqlite) || Option.isSome(input.parquet)) {
      if (isOther || (Option.isSome(input.sqlite) && Option.isSome(input.parquet)))
        return yield* new BadRequest({ message: "--sqlite and --parquet are of everything, and forms of their own." });
      if (Option.isSome(input.parquet)) return yield* parquet(input.parquet.value);
      if (Option.isSome(input.sqlite)) return yield* sqlite(input.sqlite.value);
    }
    if (input.after !== 0 && !input.cloudevents)
      return yield* new BadRequest({ message: "--after is of --cloudevents.", hint: "Give both, or neither." });
    if (input.cloudevents) {
      if (format !== undefined)
        return yield* new BadRequest({ message: "--cloudevents and --format are two forms.", hint: "Give one." });
      return yield* events({ thread, tenant: input.tenant, after: input.after });
    }
    if (thread === undefined)
      return yield* new BadRequest({
        message: "There is no thread named.",
        hint: "recollect export THREAD, or everything: --sqlite FILE, --parquet DIR or --cloudevents.",
      });
    const form = documents.find((name) => name === format);
    if (form !== undefined) return yield* document({ thread, tenant: input.tenant, format: form });
    return yield* transcript({ thread, tenant: input.tenant, format });
  }),
).pipe(
  Command.withDescription(
    "Write one thread as a transcript to stdout, or everything as SQLite, Parquet or CloudEvents",
  ),
  Command.withExamples([
    {
      command: "recollect export THREAD > session.jsonl",
      description: "What was imported, line by line, without secrets",
    },
    {
      command: "recollect export THREAD --raw > session.jsonl",
      description: "Every entry as it came; a JSON document without its layout",
    },
    { command: "recollect export THREAD --format openai-chat", description: "Any thread as chat-completions messages" },
    { command: "recollect export THREAD --format atif", description: "Any thread as an ATIF trajectory" },
    { command: "recollect export THREAD --format html > thread.html", description: "One page to read, without script" },
    { command: "recollect export --sqlite copy.db", description: "The database as it is now" },
    { command: "recollect export --parquet record", description: "The main views by day, for DuckDB and others" },
    {
      command: "recollect export --cloudevents --after 4711 > events.ndjson",
      description: "What the log took since then",
    },
  ]),
);
