/**
 * Reports of an import: at its end, and the progress on its way.
 *
 * Room: edge.
 */

/** A piece that could not be taken: a torn or overlong line, a damaged document, a file that cannot be read. */
export interface Refusal {
  readonly file: string;
  /** From 1; absent when the whole file or folder is meant. */
  readonly line?: number | undefined;
  readonly reason: string;
}

/** A line that is kept as it came and could not be read in full. */
export interface Kept {
  readonly file: string;
  readonly line: number;
  /** Number of the first byte of the line that is not UTF-8, from 1; absent for a line that is UTF-8 and no JSON. */
  readonly byte?: number | undefined;
  readonly reason: string;
}

/** Lines that a report names: a file of a million lines of which none is JSON is named by its first ones. */
export const mostKept = 1000;

/** A file that is no conversation. */
export interface Skip {
  readonly file: string;
  readonly reason: string;
}

export interface FormatCount {
  readonly files: number;
  readonly entries: number;
}

export interface ImportReport {
  /** Files that held conversations. */
  readonly files: number;
  /** Threads, messages and tool calls the files that were read hold, whether they were in the log already or not. */
  readonly threads: number;
  readonly messages: number;
  /** Messages that an agent copied from another thread, and that count there. */
  readonly repeated: number;
  readonly toolCalls: number;
  readonly eventsAppended: number;
  /** Entries that were in the log already. */
  readonly duplicates: number;
  /** Entries whose own id stood for something else in the log: appended under their second one. */
  readonly renamed: number;
  /** Files that were not read again, because nothing has changed since they were imported. They count in `files`. */
  readonly unchanged: number;
  /** Entries kept as they came, without an interpreter yet. */
  readonly unknown: number;
  readonly refused: ReadonlyArray<Refusal>;
  /** Lines that are not UTF-8, or no JSON, and were kept: the first `mostKept`. */
  readonly kept: ReadonlyArray<Kept>;
  readonly skipped: ReadonlyArray<Skip>;
  readonly formats: Readonly<Record<string, FormatCount>>;
  /** Bytes of all files found, conversations or not. */
  readonly bytes: number;
  readonly millis: number;
}

export interface ImportProgress {
  /** Files done, and all that were found. */
  readonly files: number;
  readonly totalFiles: number;
  readonly bytes: number;
  readonly totalBytes: number;
  /** Bytes a second since the start. */
  readonly rate: number;
  /** Milliseconds that remain at that rate; absent while unknown. */
  readonly eta: number | undefined;
  /** The file that is being read. */
  readonly file: string;
}

/** The report while it is written. */
export class ReportDraft {
  files = 0;
  duplicates = 0;
  renamed = 0;
  eventsAppended = 0;
  unchanged = 0;
  /** Entries of all files so far, and what the last file that held a conversation was read as. */
  entries = 0;
  lastFormat: string | null = null;
  readonly refused: Array<Refusal> = [];
  readonly kept: Array<Kept> = [];
  readonly skipped: Array<Skip> = [];
  private readonly formats = new Map<string, { files: number; entries: number }>();

  fileOf(format: string): void {
    this.files++;
    this.lastFormat = format;
    this.formatOf(format).files++;
  }

  /** A file that is as it was when it was imported. */
  unchangedOf(
    file: string,
    stamp: { readonly format: string | null; readonly entries: number; readonly reason: string | null },
  ): void {
    if (stamp.format === null) {
      this.skipped.push({ file, reason: stamp.reason ?? "it is no conversation" });
      return;
    }
    this.unchanged++;
    this.fileOf(stamp.format);
    this.formatOf(stamp.format).entries += stamp.entries;
    this.duplicates += stamp.entries;
  }

  /**
   * Remembers the counts as they are now. What it gives takes back what is counted from here on, since it will be read and
   * counted once more: entries that are new until then are none of the duplicates of the second time.
   */
  before(): () => void {
    const { duplicates, entries } = this;
    const lengths = [this.refused.length, this.kept.length, this.skipped.length] as const;
    const formats = [...this.formats].map(([format, counts]) => [format, counts.entries] as const);
    return () => {
      const fresh = this.entries - entries - (this.duplicates - duplicates);
      this.duplicates = duplicates - fresh;
      this.entries = entries;
      for (const counts of this.formats.values()) counts.entries = 0;
      for (const [format, count] of formats) this.formatOf(format).entries = count;
      [this.refused.length, this.kept.length, this.skipped.length] = lengths;
    };
  }

  keptOf(kept: Kept): void {
    if (this.kept.length < mostKept) this.kept.push(kept);
  }

  entryOf(format: string): void {
    this.entries++;
    this.formatOf(format).entries++;
  }

  finish(
    rest: Pick<ImportReport, "threads" | "messages" | "repeated" | "toolCalls" | "unknown" | "bytes" | "millis">,
  ): ImportReport {
    const { files, duplicates, renamed, eventsAppended, kept, refused, skipped, unchanged } = this;
    const formats = Object.fromEntries([...this.formats].toSorted(([left], [right]) => (left < right ? -1 : 1)));
    return { files, duplicates, renamed, eventsAppended, unchanged, refused, kept, skipped, formats, ...rest };
  }

  private formatOf(format: string): { files: number; entries: number } {
    let counts = this.formats.get(format);
    if (counts === undefined) this.formats.set(format, (counts = { files: 0, entries: 0 }));
    return counts;
  }
}
