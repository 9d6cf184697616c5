/**
 * Contents of files for programs that speak in promises: read once by any process, and recorded for a thread.
 *
 * Room: client.
 */
import { Effect } from "effect";
import * as FileCache from "../../coordination/cache/FileCache.ts";
import type { ReadFile } from "../../publish/thread/ThreadFiles.ts";
import * as Thread from "../../publish/thread/ThreadPublisher.ts";
import { asObject, asText } from "../Given.ts";
import type { Section } from "./Section.ts";

export interface ReadFor extends Omit<ReadFile, "path" | "bytes">, FileCache.Reading {
  /** The thread that the file is read for: an event says that it read this version. */
  readonly thread?: string | undefined;
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
   * The file as it is now; with `verify: "content"` from the disk, whatever its version says. With a thread, resolves when
   * it is durable that this thread read this version. The bytes are the caller's own.
   * Rejects with `FileMissing`, `FileTooLarge` or `FileUnreadable`.
   */
  read(path: string, options: ReadFor = {}): Promise<FileCache.FileContent> {
    const read = Effect.gen(function* () {
      const { thread: id, verify, ...about } = asObject(options, "read");
      const content = yield* FileCache.FileCache.use((files) => files.read(asText(path, "read"), { verify }));
      if (id === undefined) return content;
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

  /** Invalidates a path, a folder or all files, in every process. False: NATS is unreachable, so only here. */
  forget(what: FileCache.Forgetting): Promise<boolean> {
    return this.#files((files) => files.forget(what));
  }

  /** Counters of this process. */
  counts(): Promise<FileCache.FileCounts> {
    return this.#files((files) => files.counts);
  }
}
