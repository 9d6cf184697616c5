/**
 * Imports transcripts of agents: files and folders into the log, each entry once.
 *
 * Room: edge.
 *
 * Bad input never stops an import and never disappears: it ends as an event, as an entry kept as unknown, or as a
 * refusal in the report. Killed at any moment, everything acknowledged is in the log exactly once, and the same
 * import again appends what is missing.
 */
import { Clock, Effect, FileSystem, Random, Schema } from "effect";
import { defaultTenant, thread } from "../../domain/History.ts";
import { EventLog } from "../../log/EventLog.ts";
import { chatOf, chatParts } from "./formats/ChatFormats.ts";
import { LineSplitter, withoutMark } from "./cut/CutLines.ts";
import { detect, mendedChat, readFrom, withPacking } from "./find/Detect.ts";
import type { Entry, Format } from "./Entry.ts";
import { forEachChunk } from "./find/FileBytes.ts";
import { importChat } from "./cut/ImportChat.ts";
import { importLines } from "./cut/ImportLines.ts";
import { importStore, isStore } from "./cut/ImportStore.ts";
import { importText } from "./cut/ImportText.ts";
import { changedWhileRead, ImportRun } from "./ImportRun.ts";
import { outlineOf } from "./formats/JsonOutline.ts";
import { boundedId } from "./ThreadIds.ts";
import type { ImportProgress, ImportReport } from "./Report.ts";
import { patience } from "./Patience.ts";
import * as Siblings from "./find/Siblings.ts";
import { fingerprintOf, type Stamp, type Stamps } from "./StampsSqlite.ts";
import { timeOf } from "../../domain/EntryTimes.ts";
import { FileThread } from "./Threads.ts";
import { type Found, foundOf, noFile, reasonOf, walk } from "./find/FileWalk.ts";

export interface ImportOptions {
  /** Files and folders. */
  readonly paths: ReadonlyArray<string>;
  /** A format to cut every file by; default: found by content. */
  readonly format?: Format | undefined;
  readonly tenant?: string | undefined;
  /** Stamps of earlier imports: files that have not changed since are not read. */
  readonly stamps?: Stamps | undefined;
  /** Told at most ten times a second, and once at the end. */
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
}

/** None of the files and folders that were named is there. */
export class NothingToImport extends Schema.TaggedError<NothingToImport>()("NothingToImport", {
  paths: Schema.Array(Schema.String),
  message: Schema.String,
  hint: Schema.String,
}) {}

const nothingToImport = (paths: ReadonlyArray<string>) =>
  new NothingToImport({
    paths,
    message: `There is nothing at ${paths.join(", ")}.`,
    hint: "Name a file or folder that is there. Claude Code keeps its transcripts in ~/.claude/projects, Codex in ~/.codex/sessions.",
  });

const progressMillis = 100;

/** A file each of whose lines is a conversation. */
const importChatLines = Effect.fnUntraced(function* (job: ImportRun, file: Found) {
  const splitter = new LineSplitter();
  const taken = new Set<string>();
  let bytes = 0;
  let format: string | undefined;
  const one = Effect.fnUntraced(function* (number: number, line: Buffer | undefined) {
    const text = line === undefined || number > 1 ? line : withoutMark(line);
    if (text !== undefined && text.toString("latin1").trim() === "") return;
    const outline = text === undefined ? undefined : outlineOf(text, chatParts);
    const [root] = outline?.roots ?? [];
    const usable =
      text !== undefined && root !== undefined && outline?.problem === undefined && outline?.roots.length === 1;
    const chat = usable ? yield* chatOf(readFrom(text), root, file.path) : undefined;
    const broken = usable || text === undefined ? undefined : yield* mendedChat(text, file.path);
    if (broken !== undefined) {
      const { mended } = broken;
      format ??= broken.chat.format;
      const read = readFrom(mended.bytes);
      return yield* importChat(job, file, { ...broken, read, taken, damages: mended.damages, line: number });
    }
    if (chat === undefined || text === undefined || root === undefined) {
      job.draft.refused.push({
        file: file.path,
        line: number,
        reason: outline?.problem ?? "the line is no conversation",
      });
      return;
    }
    format ??= chat.format;
    yield* importChat(job, file, { chat, read: readFrom(text), root, taken, line: number });
  });
  const { problem } = yield* forEachChunk(
    file,
    Effect.fnUntraced(function* (chunk: Buffer) {
      for (const line of splitter.push(chunk)) yield* one(line.number, line.bytes);
      bytes += chunk.length;
      job.readTo(bytes);
    }),
  );
  for (const line of splitter.end()) yield* one(line.number, line.bytes);
  if (problem !== undefined) job.draft.refused.push({ file: file.path, reason: problem });
  return format;
});

/** A file that is one entry of a session. */
const importSingle = Effect.fnUntraced(function* (
  job: ImportRun,
  file: Found,
  single: Pick<Entry, "format" | "value" | "raw">,
) {
  const { format, raw, value = null } = single;
  const own =
    format === "grok"
      ? ((yield* job.siblings.grok(file.path)) ?? idOfSummary(value))
      : yield* job.siblings.openCode(value, file.path);
  const state = yield* job.open(thread(boundedId(own ?? file.path), job.tenant));
  yield* job.threads.complete(state);
  const occurredAt = timeOf(value) ?? file.modified;
  const entry: Entry = { format, value, raw, place: "line", kind: "json", occurredAt, line: 1 };
  yield* job.take(new FileThread(state), entry) ?? Effect.void;
});

const idOfSummary = (value: Entry["value"]): string | undefined => {
  const info = typeof value === "object" && value !== null && "info" in value ? value["info"] : undefined;
  return typeof info === "object" && info !== null && "id" in info && typeof info["id"] === "string"
    ? info["id"]
    : undefined;
};

const importFile = Effect.fn("edge.importFile")(function* (job: ImportRun, found: Found, forced: Format | undefined) {
  job.begin(found.path);
  // The walk may have found the file minutes ago: it may hold more by now.
  const info = yield* (yield* FileSystem.FileSystem).stat(found.path);
  if (info.type !== "File") {
    job.draft.skipped.push({ file: found.path, reason: noFile });
    return;
  }
  const file = yield* withPacking(foundOf(found.path, info));
  if (yield* isStore(file)) return yield* importStore(job, file);
  const detected = yield* detect(file, forced);
  switch (detected._tag) {
    case "Skip":
      job.draft.skipped.push({ file: file.path, reason: detected.reason });
      return;
    case "Refuse":
      job.draft.refused.push({ file: file.path, reason: detected.reason });
      return;
    case "Lines": {
      const format = yield* Siblings.formatBeside(job.siblings, file.path, detected.format);
      job.draft.fileOf(format);
      return yield* importLines(job, file, format);
    }
    case "Text":
      job.draft.fileOf(detected.format);
      return yield* importText(job, file, detected.format);
    case "ChatLines":
      return job.draft.fileOf((yield* importChatLines(job, file)) ?? "openai-chat");
    case "Single":
      job.draft.fileOf(detected.format);
      return yield* importSingle(job, file, detected);
    case "Chat": {
      const { chat, damages, read, root } = detected;
      const times = chat.format === "cline" ? yield* job.siblings.clineTimes(file.path) : undefined;
      const timeBeside = times === undefined ? undefined : (_: unknown, number: number) => times(number);
      job.draft.fileOf(chat.format);
      return yield* importChat(job, file, { chat, read, root, taken: new Set(), timeBeside, damages });
    }
  }
});

/** Tells how far an import is, not too often. */
const makeTeller = (options: ImportOptions, files: ReadonlyArray<Found>, clock: Clock.Clock) => {
  const started = clock.currentTimeMillisUnsafe();
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let told = 0;
  const tell = (
    done: { readonly files: number; readonly bytes: number; readonly file: string },
    last: boolean,
  ): void => {
    const now = clock.currentTimeMillisUnsafe();
    if (options.onProgress === undefined || (!last && now - told < progressMillis)) return;
    told = now;
    const rate = now > started ? (done.bytes / (now - started)) * 1000 : 0;
    const eta = rate > 0 ? Math.round(((totalBytes - done.bytes) / rate) * 1000) : undefined;
    options.onProgress({ ...done, totalFiles: files.length, totalBytes, rate, eta });
  };
  return { tell, totalBytes, millis: () => clock.currentTimeMillisUnsafe() - started };
};

/**
 * Reads a file unless its stamp says that it was imported as it is. Stamps are kept once everything before is on disk. A
 * format that is asked for is another reading: stamps are no matter then.
 */
const makeStamping = (job: ImportRun, log: EventLog["Service"], options: ImportOptions) => {
  const stamps = options.format === undefined ? options.stamps : undefined;
  let waiting: Array<Stamp> = [];
  let refused = 0;
  const { batch, draft } = job;
  const once = Effect.fnUntraced(function* <E, R>(file: Found, read: Effect.Effect<void, E, R>) {
    if (stamps === undefined) return yield* read;
    const fingerprint = yield* fingerprintOf(file.path, yield* Clock.currentTimeMillis);
    const known = fingerprint === undefined ? undefined : stamps.find(file.path, fingerprint);
    if (known !== undefined) return draft.unchangedOf(file.path, known);
    const before = { entries: draft.entries, files: draft.files, refused: draft.refused.length };
    yield* read;
    if (fingerprint === undefined || draft.refused.length > before.refused) return;
    const isTaken = draft.files > before.files;
    const reason = isTaken ? null : (draft.skipped.at(-1)?.reason ?? null);
    const entries = draft.entries - before.entries;
    waiting.push({ path: file.path, fingerprint, format: isTaken ? draft.lastFormat : null, entries, reason });
  });
  const settle = Effect.gen(function* () {
    yield* batch.flush();
    // A batch is of many files: which of them is not whole in the log is not looked for.
    if (batch.refused > refused) waiting = [];
    refused = batch.refused;
    if (stamps === undefined || waiting.length === 0) return;
    const { lastSequence } = yield* log.info.pipe(Effect.retry(patience));
    stamps.keep(waiting, lastSequence);
    waiting = [];
  });
  return { once, settle };
};

/**
 * Imports files and folders. Fails only when the log refuses or stays away, or when nothing of what was named is
 * there (a slip of the pen must not look like an import); everything else is in the report.
 */
export const importPaths = Effect.fn("edge.import")(function* (options: ImportOptions) {
  const log = yield* EventLog;
  const clock = yield* Clock.Clock;
  const { absent, files, refused, skipped } = yield* walk(options.paths);
  if (absent.length > 0 && absent.length === new Set(options.paths).size) return yield* nothingToImport(absent);
  const run = (yield* Random.nextIntBetween(0, 36 ** 8)).toString(36);
  const job = new ImportRun({ log, tenant: options.tenant ?? defaultTenant, siblings: yield* Siblings.make, run });
  job.draft.refused.push(...refused);
  job.draft.skipped.push(...skipped);
  const refusing = ({ path }: Found, reason: string) =>
    Effect.sync(() => void job.draft.refused.push({ file: path, reason }));
  const teller = makeTeller(options, files, clock);
  const stamping = makeStamping(job, log, options);
  let bytes = 0;
  for (const [index, file] of files.entries()) {
    job.onRead = (read) =>
      teller.tell({ files: index, bytes: bytes + Math.min(read, file.bytes), file: file.path }, false);
    yield* stamping.once(
      file,
      importFile(job, file, options.format).pipe(
        Effect.catchTags({
          PlatformError: (error) => refusing(file, reasonOf(error)),
          FileChanged: () => refusing(file, changedWhileRead),
        }),
      ),
    );
    bytes += file.bytes;
    teller.tell({ files: index + 1, bytes, file: file.path }, false);
    if (job.threads.isHeavy) {
      yield* stamping.settle;
      job.threads.trim();
    }
  }
  yield* stamping.settle;
  teller.tell({ files: files.length, bytes, file: "" }, true);
  return job.draft.finish({
    ...(yield* job.threads.totals()),
    bytes: teller.totalBytes,
    millis: teller.millis(),
  }) satisfies ImportReport;
});
