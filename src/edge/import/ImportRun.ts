/**
 * One import while it runs: what every file of it shares.
 *
 * Room: edge.
 */
import { pathToFileURL } from "node:url";
import { Effect } from "effect";
import { type History, keyOf } from "../../domain/History.ts";
import type { EventLog } from "../../log/EventLog.ts";
import { Batch, secondIdOf } from "./Batch.ts";
import { type Entry, isLarge, type Origin } from "./Entry.ts";
import { fileNameOf } from "./ThreadIds.ts";
import { ReportDraft } from "./Report.ts";
import type { Siblings } from "./find/Siblings.ts";
import { countOnce, type FileThread, isInLog, Threads } from "./Threads.ts";

export const changedWhileRead = "the file changed while it was read: import again";

export class ImportRun {
  readonly tenant: string;
  readonly siblings: Siblings;
  readonly draft = new ReportDraft();
  readonly threads: Threads;
  readonly batch: Batch;
  /** Told how many bytes of the current file are read. */
  onRead: (bytes: number) => void = () => {};
  private file = "";
  private source = "";
  private readonly opened = new Set<string>();

  constructor(options: {
    readonly log: EventLog["Service"];
    readonly tenant: string;
    readonly siblings: Siblings;
    /** Unlike that of any other import that may run now. */
    readonly run: string;
  }) {
    const { log, run } = options;
    this.tenant = options.tenant;
    this.siblings = options.siblings;
    this.threads = new Threads(log);
    this.batch = new Batch({ log, threads: this.threads, draft: this.draft, run });
  }

  /** A new file begins. */
  begin(path: string): void {
    this.file = path;
    this.source = pathToFileURL(path).href;
    this.opened.clear();
  }

  readTo(bytes: number): void {
    this.onRead(bytes);
  }

  /** A thread as it is now in the log. Entries that wait for it are appended first, unless all of them are known. */
  readonly open = Effect.fnUntraced({ self: this }, function* (history: History) {
    if (!this.opened.has(keyOf(history)) && this.threads.isPartlyKnown(history)) yield* this.batch.flush();
    this.opened.add(keyOf(history));
    return yield* this.threads.open(history);
  });

  /**
   * Takes the next entry of a thread: counts it, and adds it to the batch if the log does not have it.
   * Answers with what must be done before the next one (append a full batch, store a large entry), if anything.
   */
  take(thread: FileThread, entry: Entry) {
    if (thread.broken) return undefined;
    const { previousId, state } = thread;
    const id = thread.next(entry);
    thread.previousId = id;
    if (thread.count === 1) this.threads.meet(state);
    this.draft.entryOf(entry.format);
    countOnce(state, entry, id);
    if (thread.count === thread.verified && !thread.isAtMark()) {
      thread.broken = true;
      this.draft.refused.push({
        file: this.file,
        line: entry.line,
        reason: changedWhileRead,
      });
      return undefined;
    }
    if (thread.count <= thread.verified || isInLog(state, id) || isInLog(state, secondIdOf(id))) {
      this.draft.duplicates++;
      return undefined;
    }
    const origin: Origin = { history: state.history, source: this.source, name: fileNameOf(this.file) };
    // Where another file has brought the rest of its line, what came after that is no place to be joined to.
    const isAlone = entry.place === "joined" && previousId !== state.lastId;
    const placed: Entry = isAlone ? { ...entry, place: "line" } : entry;
    if (isLarge(placed))
      return Effect.andThen(
        this.batch.addLarge(thread, placed, id, origin),
        Effect.suspend(() => this.flushIfFull()),
      );
    this.batch.add(thread, placed, id, origin);
    return this.batch.isFull ? this.batch.flush() : undefined;
  }

  private flushIfFull() {
    return this.batch.isFull ? this.batch.flush() : Effect.void;
  }
}
