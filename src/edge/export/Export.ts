/**
 * A thread as a transcript again: as it came in, or told in another format.
 *
 * Room: edge. In: log, snapshot, Assemble, Render. Out: cli.
 *
 * Promises: in the thread's own format every entry comes out as it came in, byte for byte but for white space around
 * messages of a document, in the order of the file. In another format, and for threads of our own publishers, the
 * conversation is told from its facts, which loses what that format has no place for.
 */
import { Effect, Schema, Stream } from "effect";
import { defaultTenant, type History } from "../../domain/History.ts";
import { EventLog, type LogDamaged, type LogUnavailable } from "../../log/EventLog.ts";
import { ThreadReader } from "../../snapshot/ThreadReader.ts";
import { Assembler } from "./Assemble.ts";
import { type Rendering, render } from "./Render.ts";
import { entryOf } from "./StoredEntry.ts";

/** There is no such thread, or none of it can be told in the format that was asked for. */
export class CannotExport extends Schema.TaggedError<CannotExport>()("CannotExport", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface ExportOptions {
  readonly thread: string;
  readonly tenant?: string | undefined;
  /** Default: the format of most of the thread's entries; `openai-chat` for a thread of our own publishers. */
  readonly format?: string | undefined;
}

const formatPattern = /"format":"([^"]+)"/;

/** How many entries of each format a thread has. */
const countFormats = Effect.fnUntraced(function* (history: History) {
  const log = yield* EventLog;
  const counts = new Map<string, number>();
  let events = 0;
  yield* Stream.runForEach(log.read({ history }), (event) =>
    Effect.sync(() => {
      events++;
      if (event.type !== "thread.entry_recorded") return;
      const head = Buffer.from(event.body.buffer, event.body.byteOffset, Math.min(event.body.byteLength, 200)).toString(
        "latin1",
      );
      const format = formatPattern.exec(head)?.[1] ?? "";
      counts.set(format, (counts.get(format) ?? 0) + 1);
    }),
  );
  return { events, counts };
});

const isRendering = (format: string): format is Rendering =>
  format === "openai-chat" || format === "claude-code" || format === "codex";

/** The entries of one format, as they came. */
const asItCame = (history: History, format: string) => {
  const assembler = new Assembler();
  return Stream.unwrap(
    Effect.map(EventLog, (log) =>
      log.read({ history }).pipe(
        Stream.mapEffect(entryOf),
        Stream.flatMap((entry) =>
          entry === undefined || entry.format !== format ? Stream.empty : Stream.fromIterable(assembler.push(entry)),
        ),
        Stream.concat(Stream.suspend(() => Stream.fromIterable(assembler.end()))),
      ),
    ),
  );
};

/** The conversation told anew. */
const toldAnew = (history: History, format: Rendering) =>
  Stream.unwrap(
    Effect.map(ThreadReader, (reader) =>
      render(format, history.id, reader.messages(history.id, { tenant: history.tenant })),
    ),
  ).pipe(Stream.map((line) => Buffer.from(`${line}\n`, "utf8")));

type Pieces = Stream.Stream<Uint8Array, LogUnavailable | LogDamaged, EventLog | ThreadReader>;

/** The transcript as pieces of bytes, in order. */
export const exportThread = Effect.fn("edge.export")(function* (
  options: ExportOptions,
): Effect.fn.Return<Pieces, CannotExport | LogUnavailable, EventLog> {
  const history: History = { tenant: options.tenant ?? defaultTenant, kind: "thread", id: options.thread };
  const { counts, events } = yield* countFormats(history);
  if (events === 0) {
    return yield* new CannotExport({
      message: `There is no thread ${options.thread}.`,
      hint: "recollect threads lists them.",
    });
  }
  const [most] = [...counts].toSorted(([, a], [, b]) => b - a);
  const format = options.format ?? most?.[0] ?? "openai-chat";
  if (counts.has(format)) return asItCame(history, format);
  if (isRendering(format)) return toldAnew(history, format);
  return yield* new CannotExport({
    message: `The thread ${options.thread} did not come in as ${format}, and cannot be told in it.`,
    hint: `Leave --format out for its own format (${most?.[0] ?? "openai-chat"}), or take openai-chat, claude-code or codex.`,
  });
});
