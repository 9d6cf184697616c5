/**
 * Imports a file whose lines are entries.
 *
 * Room: edge.
 *
 * A look ahead finds the first session and the first time. If the log knows that session already, the file is read
 * once to hold its ids against the log's mark; then it is read to be imported. Memory is one chunk, one line, and the
 * ids of the threads.
 */
import { Effect } from "effect";
import { type History, source, thread } from "../../../domain/History.ts";
import { stringAt } from "../../../domain/Json.ts";
import {
  type Line,
  type LineFile,
  LineSplitter,
  makeCut,
  parseShown,
  type Placed,
  threadOf,
  withoutMark,
} from "./CutLines.ts";
import { replaced } from "../../../domain/WrongBytes.ts";
import type { Format } from "../Entry.ts";
import { forEachChunk } from "../find/FileBytes.ts";
import type { ImportRun } from "../ImportRun.ts";
import type { Kept } from "../Report.ts";
import { sessionOfLine } from "../formats/LineFormats.ts";
import {
  fileNameOf,
  geminiParentOf,
  kimiSessionOf,
  lineFileName,
  sessionFolderOf,
  stemOf,
  subAgentOf,
  uuidIn,
} from "../ThreadIds.ts";
import { timeOf } from "../../../domain/EntryTimes.ts";
import { FileThread, isCovered, isCoveredAlone, type ThreadState } from "../Threads.ts";
import type { Found } from "../find/FileWalk.ts";

/** Lines in which the first session and the first time are looked for. The real ones stand within 22 lines. */
const aheadLines = 2000;
const aheadBytes = 8 * 1024 * 1024;

/** The session of a file none of whose lines names one. */
const unnamedSession = (file: Found, format: Format, firstLine: Buffer): string => {
  const inFolder = sessionFolderOf(file.path);
  if (inFolder !== undefined) return inFolder;
  if (format === "claude-code" || format === "codex") return uuidIn(fileNameOf(file.path)) ?? stemOf(file.path);
  // Their files are named after their sessions, or lie in a folder that is.
  if (format === "kimi" || format === "kimi-code") return kimiSessionOf(file.path);
  if (format === "goose" || format === "kiro-lines") return stemOf(file.path);
  return lineFileName(file.path, firstLine);
};

const lookAhead = Effect.fnUntraced(function* (job: ImportRun, file: Found, format: Format) {
  const splitter = new LineSplitter();
  let session: string | undefined;
  let time: number | undefined;
  let firstLine: Buffer | undefined;
  let isBeside = format === "claude-code";
  let lines = 0;
  let bytes = 0;
  const see = (line: Line): void => {
    if (line.bytes === undefined) return;
    const text = line.number === 1 ? withoutMark(line.bytes) : line.bytes;
    if (text.length === 0) return;
    firstLine ??= Buffer.from(text);
    const value = parseShown(text);
    session ??= sessionOfLine(format, value);
    time ??= timeOf(value);
    isBeside &&= stringAt(value, "type") === "summary";
  };
  yield* forEachChunk(file, (chunk) => {
    for (const line of splitter.push(chunk)) {
      see(line);
      lines++;
      if (session !== undefined && time !== undefined) break;
    }
    bytes += chunk.length;
    const enough = (session !== undefined && time !== undefined) || lines >= aheadLines || bytes >= aheadBytes;
    return Effect.succeed(enough ? ("stop" as const) : undefined);
  });
  for (const line of splitter.end()) see(line);
  if (session === undefined && format === "grok") session = yield* job.siblings.grok(file.path);
  return {
    format,
    firstSession:
      session !== undefined && session !== "" ? session : unnamedSession(file, format, firstLine ?? Buffer.alloc(0)),
    firstTime: time,
    modified: file.modified,
    subAgent: format === "claude-code" ? subAgentOf(file.path) : undefined,
    parent: format === "gemini-cli" ? geminiParentOf(file.path) : undefined,
    isBeside: isBeside && session === undefined && firstLine !== undefined,
    isNamed: session !== undefined && session !== "" && time !== undefined,
  } satisfies LineFile & { readonly isNamed: boolean };
});

/** Reads the file and gives each line to `use`. */
const forEachLine = <E, R>(file: Found, use: (line: Line, chunkEnd: number) => Effect.Effect<void, E, R> | undefined) =>
  Effect.gen(function* () {
    const splitter = new LineSplitter();
    let bytes = 0;
    const { problem } = yield* forEachChunk(
      file,
      Effect.fnUntraced(function* (chunk: Buffer) {
        bytes += chunk.length;
        for (const line of splitter.push(chunk)) {
          // Most lines need nothing of the world: then there is no Effect to run.
          const effect = use(line, bytes);
          if (effect !== undefined) yield* effect;
        }
      }),
    );
    for (const line of splitter.end()) {
      const effect = use(line, bytes);
      if (effect !== undefined) yield* effect;
    }
    return problem;
  });

/** Holds the file against the marks of the threads it has in the log; those that do not agree are read in full. */
const verify = Effect.fnUntraced(function* (job: ImportRun, file: Found, about: LineFile, grows: boolean) {
  const threads = new Map<string, FileThread>();
  const verified = new Map<string, number>();
  const see = ({ session, entry }: Placed, fileThread: FileThread): void => {
    fileThread.next(entry);
    if (fileThread.isAtMark()) verified.set(session, fileThread.count);
  };
  const cutLine = makeCut(about);
  yield* forEachLine(file, (line) => {
    const cut = cutLine(line);
    if ("reason" in cut) return undefined;
    const missing = cut.filter(({ session }) => !threads.has(session));
    if (missing.length === 0) {
      for (const placed of cut) {
        const fileThread = threads.get(placed.session);
        if (fileThread !== undefined) see(placed, fileThread);
      }
      return undefined;
    }
    return Effect.gen(function* () {
      for (const placed of cut) {
        const fileThread =
          threads.get(placed.session) ?? new FileThread(yield* job.open(historyOf(job, about, placed.session)));
        threads.set(placed.session, fileThread);
        see(placed, fileThread);
      }
    });
  });
  for (const [session, { count, state }] of threads) {
    const known = verified.get(session) ?? 0;
    if (grows ? isCoveredAlone(state, known) : isCovered(state, known, count)) continue;
    verified.delete(session);
    yield* job.threads.complete(state);
  }
  return verified;
});

const historyOf = (job: ImportRun, about: LineFile, session: string): History =>
  about.isBeside ? source(session, job.tenant) : thread(session, job.tenant);

/** The thread of a session in this file, opened at its first entry. */
const openThread = Effect.fnUntraced(function* (job: ImportRun, history: History, verified: number | undefined) {
  const state: ThreadState = yield* job.open(history);
  const fileThread = new FileThread(state);
  if (!state.complete && verified !== undefined) fileThread.verified = verified;
  else yield* job.threads.complete(state);
  return fileThread;
});

/** Reason that a line is kept as it came, with the place of its first wrong byte. */
const keptOf = ({ path }: Found, { bytes = Buffer.alloc(0), number }: Line, placed: ReadonlyArray<Placed>): Kept => {
  const { count, first } = replaced(bytes);
  const about = { file: path, line: number };
  const isRead = placed.every(({ entry: { value } }) => value !== undefined);
  if (count > 0 && isRead)
    return {
      ...about,
      byte: first,
      reason: `not UTF-8: read with U+FFFD in ${count === 1 ? "1 place" : `${count} places`}`,
    };
  const what = placed.some(({ entry: { value } }) => value !== undefined) ? "what is left over" : "all of it";
  return { ...about, ...(count > 0 ? { byte: first } : {}), reason: `no JSON in UTF-8: ${what} is kept as it came` };
};

/** A file whose threads are open: takes its lines one after the other, from the first on. */
export interface OpenLines {
  /** Takes a line, and answers with what must be done before the next one, if anything. */
  readonly take: (line: Line) => ReturnType<ImportRun["take"]>;
  /** True when lines at the beginning name a session and a time: then no later line says otherwise of those before it. */
  readonly isNamed: boolean;
}

/**
 * Opens the threads of a file's lines as they are in the log now. With `grows`, lines are taken long after the file was
 * held against the marks: then a thread of which the log holds more than this file's beginning is known in full.
 */
export const openLines = Effect.fn("edge.openLines")(function* (
  job: ImportRun,
  file: Found,
  format: Format,
  options: { readonly grows: boolean },
) {
  const about = yield* lookAhead(job, file, format);
  const cut = makeCut(about);
  const first = yield* job.open(historyOf(job, about, threadOf(about, about.firstSession)));
  const verified = first.complete ? new Map<string, number>() : yield* verify(job, file, about, options.grows);
  const threads = new Map<string, FileThread>();
  const takeFrom = (placed: ReadonlyArray<Placed>, from: number): ReturnType<ImportRun["take"]> => {
    for (let index = from; index < placed.length; index++) {
      const { session, entry } = placed[index] as Placed;
      const known = threads.get(session);
      const pending =
        known !== undefined
          ? job.take(known, entry)
          : Effect.flatMap(openThread(job, historyOf(job, about, session), verified.get(session)), (opened) => {
              threads.set(session, opened);
              return job.take(opened, entry) ?? Effect.void;
            });
      if (pending !== undefined)
        return Effect.andThen(
          pending,
          Effect.suspend(() => takeFrom(placed, index + 1) ?? Effect.void),
        );
    }
    return undefined;
  };
  const take: OpenLines["take"] = (line) => {
    const result = cut(line);
    if (!("reason" in result)) {
      if (result.some(({ entry }) => entry.kind !== "json")) job.draft.keptOf(keptOf(file, line, result));
      return takeFrom(result, 0);
    }
    job.draft.refused.push({ file: file.path, line: result.line, reason: result.reason });
    return undefined;
  };
  return { take, isNamed: about.isNamed } satisfies OpenLines;
});

export const importLines = Effect.fn("edge.importLines")(function* (job: ImportRun, file: Found, format: Format) {
  const { take } = yield* openLines(job, file, format, { grows: false });
  const problem = yield* forEachLine(file, (line, bytesRead) => {
    job.readTo(bytesRead);
    return take(line);
  });
  if (problem !== undefined) job.draft.refused.push({ file: file.path, reason: problem });
});
