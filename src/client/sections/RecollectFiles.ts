/**
 * Contents of files for programs that speak in promises: read once by whichever process, and recorded for a thread.
 *
 * Room: client.
 */
import { Effect } from "effect";
import * as FileCache from "../../coordination/cache/FileCache.ts";
import type { ReadFile } from "../../publish/thread/ThreadFiles.ts";
import * as Thread from "../../publish/thread/ThreadPublisher.ts";
import type { Section } from "./Section.ts";

/** For whom a file is read: the event names it. */
export interface ReadFor extends Omit<ReadFile, "path" | "bytes"> {
  readonly thread: string;
}

export class RecollectFiles {
  readonly #section: Section<FileCache.FileCache>;

  constructor(section: Section<FileCache.FileCache>) {
    this.#section = section;
  }

  #files<A, E>(use: (files: FileCache.FileCache["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#section.run(FileCache.FileCache.use(use));
  }

  /**
   * The file as it is now. With a thread, resolves when it is durable that this thread read this version.
   * Rejects with `FileMissing`, `FileTooLarge` or `FileUnreadable`.
   */
  read(path: string, readFor?: ReadFor): Promise<FileCache.FileContent> {
    if (readFor === undefined) return this.#files((files) => files.read(path));
    const { thread: id, ...about } = readFor;
    const read = Effect.gen(function* () {
      const content = yield* FileCache.FileCache.use((files) => files.read(path));
      const thread = yield* Thread.thread(id);
      const { bytes, modifiedAt } = content;
      yield* thread.fileRead({ modifiedAt, ...about, path: content.path, bytes });
      return content;
    });
    return this.#section.run(read);
  }

  /** Bytes of that SHA-256, if any process has read them lately. */
  content(sha256: string): Promise<Uint8Array | undefined> {
    return this.#files((files) => files.content(sha256));
  }

  /** Invalidates a path, a folder or all files, in every process. False: NATS is away, so only here. */
  forget(what: FileCache.Forgetting): Promise<boolean> {
    return this.#files((files) => files.forget(what));
  }

  /** Counters of this process. */
  counts(): Promise<FileCache.FileCounts> {
    return this.#files((files) => files.counts);
  }
}
