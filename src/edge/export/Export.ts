/**
 * A thread as a transcript again: as it came in, or told in another format.
 *
 * Room: edge.
 *
 * Promises: in the thread's own format every entry comes out as it came in, byte for byte but for white space around
 * messages of a document, in the order of the file. In another format, and for threads of our own publishers, the
 * conversation is told from its facts, which loses what that format has no place for. With `shown`, secrets in entries and
 * words are replaced, and nothing else is changed.
 */
import { Effect, Option, Schema, Stream } from "effect";
import { asStored, type Shown } from "../../client/Shown.ts";
import { defaultTenant, type History, isHistory } from "../../domain/History.ts";
import { hookAgents, hookFormat } from "../../domain/interpret/hooks/hookEvent.ts";
import type { EventLog, LogDamaged, LogUnavailable } from "../../log/EventLog.ts";
import * as WholeHistory from "../../snapshot/WholeHistory.ts";
import { Assembler } from "./FileAssembly.ts";
import { type Rendering, render, renderings } from "./Render.ts";
import { saidIn } from "./PlainMessages.ts";
import { entryOf, formatOf } from "./EntryBytes.ts";

/** There is no such thread, or none of it can be told in the format that was asked for. */
export class CannotExport extends Schema.TaggedError<CannotExport>()("CannotExport", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface ExportOptions {
  readonly thread: string;
  readonly tenant?: string | undefined;
  /** Default: the format the thread came in; `openai-chat` for a thread of our own publishers. */
  readonly format?: string | undefined;
  /** Limits on what is shown of an entry. Default: all of it, as it is stored. */
  readonly shown?: Shown | undefined;
}

/** Formats that tell again, and less, what another one in the same thread tells. */
const secondHand: ReadonlySet<string> = new Set([
  "codex-exec",
  "codex-index",
  "claude-stream",
  "claude-history",
  "cline-ui",
  "goose",
  ...hookAgents.map(hookFormat),
]);

/** Way out of a thread: in a format it came in, or told anew. Reads until that is known: mostly one event. */
const wayOf = Effect.fnUntraced(function* (history: History, wanted: string | undefined) {
  let exists = false;
  let first: string | undefined;
  const found = yield* WholeHistory.events(history).pipe(
    Stream.map((event) => {
      exists = true;
      const format = formatOf(event);
      first ??= format;
      return format;
    }),
    Stream.filter(
      (format) => format !== undefined && (wanted === undefined ? !secondHand.has(format) : format === wanted),
    ),
    Stream.runHead,
  );
  const own = Option.getOrUndefined(found) ?? (wanted === undefined ? first : undefined);
  return { exists, own, first };
});

const newline = Buffer.from("\n");

/** The entries of one format, as they came. */
const asItCame = (history: History, format: string, { entry: shownEntry }: Shown) =>
  Stream.suspend(() => {
    const assembler = new Assembler();
    return WholeHistory.events(history).pipe(
      Stream.filter((event) => formatOf(event) === format),
      Stream.mapEffect(entryOf),
      Stream.flatMap((entry) =>
        entry === undefined
          ? Stream.empty
          : Stream.fromIterable(assembler.push({ ...entry, bytes: shownEntry(entry.bytes) })),
      ),
      Stream.concat(Stream.suspend(() => Stream.fromIterable(assembler.end()))),
    );
  });

/** The conversation told anew. */
const toldAnew = (history: History, format: Rendering, { entry: shownEntry }: Shown) =>
  Stream.unwrap(
    Effect.gen(function* () {
      const messages = yield* saidIn(WholeHistory.events(history));
      const lines = render(messages, { threadId: history.id, format });
      return Stream.fromIterable(lines.map((line) => Buffer.concat([shownEntry(Buffer.from(line, "utf8")), newline])));
    }),
  );

type Pieces = Stream.Stream<Uint8Array, LogUnavailable | LogDamaged, EventLog>;

/** The transcript as pieces of bytes, in order; each line with its newline. */
export const exportThread = Effect.fn("edge.export")(function* (
  options: ExportOptions,
): Effect.fn.Return<Pieces, CannotExport | LogUnavailable, EventLog> {
  const history: History = { tenant: options.tenant ?? defaultTenant, kind: "thread", id: options.thread };
  // A name that no history can have is one that no thread has.
  const { exists, first, own } = isHistory(history)
    ? yield* wayOf(history, options.format)
    : { exists: false, first: undefined, own: undefined };
  if (!exists) {
    return yield* new CannotExport({
      message: `There is no thread ${options.thread}.`,
      hint: "recollect threads lists them.",
    });
  }
  const { shown = asStored } = options;
  if (own !== undefined) return asItCame(history, own, shown);
  const format = options.format ?? "openai-chat";
  const rendering = renderings.find((name) => name === format);
  if (rendering !== undefined) return toldAnew(history, rendering, shown);
  return yield* new CannotExport({
    message: `The thread ${options.thread} did not come in as ${format}, and cannot be told in it.`,
    hint: `Leave --format out for its own format (${first ?? "openai-chat"}), or take ${renderings.join(", ")}.`,
  });
});
