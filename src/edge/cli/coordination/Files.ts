/**
 * `recollect files THREAD`: which files a conversation read, in which version, and what stood in them then.
 *
 * Room: edge.
 */
import { Effect, Option, Result, Stdio, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { isMisfit } from "../../../domain/Event.ts";
import { factsOf } from "../../../domain/Interpret.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { placedOrAsItIs } from "../../../log/read/LargeEntry.ts";
import { type FileRow, Query } from "../../../query/Query.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, readModels, store, tenant, threadArgument } from "../Flags.ts";
import { noThread, wholeThread } from "../threads/ThreadIds.ts";
import * as Output from "../Output.ts";
import { at, everything, readAt } from "../threads/Thread.ts";

/** Fewer characters of a hash are soon those of several. */
const shortestHash = 6;
/** As many of it as a person needs to tell versions apart. */
const shownHash = 12;

const linesOf = ({ fromLine, toLine }: FileRow): string =>
  fromLine === null && toLine === null ? "" : `${fromLine ?? 1}-${toLine ?? ""}`;

const list = Effect.fnUntraced(function* (files: ReadonlyArray<FileRow>) {
  if (files.length === 0) return yield* Output.note("It has read no file.");
  const rows = files.map((file) => [
    Output.moment(file.readAt),
    String(file.sequence),
    file.sha256.slice(0, shownHash),
    Output.bytes(file.contentBytes),
    linesOf(file),
    [...(file.isChanged === 1 ? ["changed"] : []), ...(file.isShown === 1 ? ["as shown"] : [])].join(", "),
    Output.clip(file.path, 200),
  ]);
  for (const text of Output.table(["when", "sequence", "version", "size", "lines", "", "path"], rows)) {
    yield* Output.line(text);
  }
});

/** The one version that the words name: the latest of a path, or the one whose hash begins so. */
const chosen = Effect.fnUntraced(function* (files: ReadonlyArray<FileRow>, wanted: string) {
  const isHash = /^[0-9a-f]+$/.test(wanted) && wanted.length >= shortestHash;
  const byHash = isHash ? files.filter(({ sha256 }) => sha256.startsWith(wanted)) : [];
  const found = byHash.length > 0 ? byHash : files.filter(({ path }) => path === wanted);
  const last = found.at(-1);
  if (last === undefined) {
    return yield* new NotFound({
      message: `This thread has read no version ${wanted}.`,
      hint: `Name a path, or ${shortestHash} characters of a version or more, as recollect files THREAD lists them.`,
    });
  }
  if (byHash.some(({ sha256 }) => sha256 !== last.sha256)) {
    return yield* new BadRequest({ message: `Several versions begin with ${wanted}.`, hint: "Write more of it." });
  }
  return last;
});

/** Content of a file as its event shows it. */
const shownIn = Effect.fnUntraced(function* (sequence: number) {
  const log = yield* EventLog;
  const entry = yield* log.at(sequence);
  if (entry === undefined || isMisfit(entry)) return undefined;
  const told = factsOf(yield* placedOrAsItIs(log, entry));
  const facts = Result.isSuccess(told) ? told.success.facts : [];
  const fact = facts.find((one) => one._tag === "FileWasRead");
  return fact?.shown == null ? undefined : Buffer.from(fact.shown, "utf8");
});

const show = Effect.fnUntraced(function* ({ isShown, path, sequence, sha256 }: FileRow) {
  const log = yield* EventLog;
  const bytes = yield* isShown === 1 ? shownIn(sequence) : log.getBlob(sha256);
  if (bytes === undefined) {
    return yield* new NotFound({
      message: `The content ${sha256} of ${path} is not in the object store.`,
      hint: "Restore the object store from a backup of the same time as the stream.",
    });
  }
  const stdio = yield* Stdio.Stdio;
  yield* Stream.run(Stream.succeed(bytes), stdio.stdout({ endOnDone: false }));
});

const shownFlag = Flag.String("show").pipe(
  Flag.withMetavar("VERSION|PATH"),
  Flag.withDescription("Write the content as it was read: of a version, or the latest of a path"),
  Flag.optional,
);

export const files = Command.make(
  "files",
  { thread: threadArgument, at, show: shownFlag, tenant, json },
  Effect.fn("cli.files")(function* (input) {
    const filesOf = Effect.gen(function* () {
      const query = yield* Query;
      const key = yield* wholeThread(input.thread, input.tenant);
      if ((yield* query.thread(key)) === undefined) return yield* noThread(key.threadId);
      const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
      return yield* everything({ ...key, ...readAt(input.at, now) }, query.files);
    });
    if (Option.isSome(input.show)) {
      const wanted = input.show.value;
      return yield* store(Effect.flatMap(filesOf, (found) => Effect.flatMap(chosen(found, wanted), show)));
    }
    yield* readModels(Effect.flatMap(filesOf, (found) => (input.json ? Output.json({ files: found }) : list(found))));
  }),
).pipe(
  Command.withDescription("Which files a conversation read, in which version, and what stood in them"),
  Command.withExamples([
    { command: "recollect files ID", description: "Path, version and time of each" },
    {
      command: "recollect files ID --show src/main.ts --at 1234",
      description: "The file as the model had seen it by then",
    },
  ]),
);
