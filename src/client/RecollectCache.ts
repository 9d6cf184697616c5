/**
 * The caches for programs that speak in promises: contents of files, and answers of tools and models.
 *
 * Room: client.
 */
import { Data, Effect, Layer, type ManagedRuntime } from "effect";
import * as Connect from "../publish/Connect.ts";
import type { Publisher } from "../publish/Publisher.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import * as Thread from "../publish/thread/ThreadPublisher.ts";
import * as CacheSharingWhenNeeded from "../coordination/cache/CacheSharingWhenNeeded.ts";
import * as ConfigFile from "../coordination/config/ConfigFile.ts";
import * as FileCache from "../coordination/cache/FileCache.ts";
import * as ResponseCache from "../coordination/cache/ResponseCache.ts";
import type { Forgetting } from "../coordination/cache/SharedAnswers.ts";

export interface CacheOptions extends ConnectOptions {
  /** What tells paths of one machine from those of another. Default: its host name. */
  readonly machine?: string | undefined;
}

/** For whom a file is read: the event names it. */
export interface ReadFor extends Omit<Parameters<Thread.ThreadPublisher["fileRead"]>[0], "path" | "bytes"> {
  readonly thread: string;
}

/** Whatever a caller's promise was rejected with, on its way through. */
class Rejected extends Data.TaggedError("Rejected")<{ readonly why: unknown }> {}

type Caches = FileCache.FileCache | ResponseCache.ResponseCache | Publisher;

const layer = ({ machine, ...options }: Connect.Options & Pick<CacheOptions, "machine">) =>
  Layer.merge(FileCache.layer({ machine }), ResponseCache.layer()).pipe(
    Layer.provide(Layer.merge(CacheSharingWhenNeeded.layer(options), ConfigFile.layerOf(options))),
    Layer.provideMerge(Connect.layer(options)),
  );

export class RecollectCache {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Caches, unknown>;

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Caches, unknown>) {
    this.#runtime = runtime;
  }

  /** As `Recollect.connect`: never fails because NATS is away; nothing is shared until it is there. */
  static async connect(options: CacheOptions = {}): Promise<RecollectCache> {
    const runtime = await begin(options, layer);
    return new RecollectCache(runtime);
  }

  #files<A, E>(use: (files: FileCache.FileCache["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#runtime.runPromise(FileCache.FileCache.use(use));
  }

  #responses<A, E>(use: (responses: ResponseCache.ResponseCache["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#runtime.runPromise(ResponseCache.ResponseCache.use(use));
  }

  /**
   * The file as it is now. With a thread, resolves when it is durable that this thread read this version.
   * Rejects with `FileMissing`, `FileTooLarge` or `FileUnreadable`.
   */
  readFile(path: string, readFor?: ReadFor): Promise<FileCache.FileContent> {
    if (readFor === undefined) return this.#files((files) => files.read(path));
    const { thread: id, ...about } = readFor;
    const read = Effect.gen(function* () {
      const content = yield* FileCache.FileCache.use((files) => files.read(path));
      const thread = yield* Thread.thread(id);
      const { bytes, modifiedAt } = content;
      yield* thread.fileRead({ modifiedAt, ...about, path: content.path, bytes });
      return content;
    });
    return this.#runtime.runPromise(read);
  }

  /** Bytes of that SHA-256, if any process has read them lately. */
  content(sha256: string): Promise<Uint8Array | undefined> {
    return this.#files((files) => files.content(sha256));
  }

  /** Invalidates a path, a folder or all files, in every process. False: NATS is away, so only here. */
  forgetFiles(what: FileCache.Forgetting): Promise<boolean> {
    return this.#files((files) => files.forget(what));
  }

  /** The answer to an equal request, else that of `ask`. Rejects as `ask` does, and with `RequestRefused`. */
  reuse<A>(asked: ResponseCache.Asked, ask: () => Promise<A>): Promise<ResponseCache.Answer> {
    const asking = Effect.tryPromise({ try: ask, catch: (why) => new Rejected({ why }) });
    return this.#responses((responses) => responses.reuse(asked, asking)).catch((error: unknown) => {
      throw error instanceof Rejected ? error.why : error;
    });
  }

  /** Invalidates the answers of one tool or model, or all of them, in every process. False: only here. */
  forgetResponses(what: Forgetting): Promise<boolean> {
    return this.#responses((responses) => responses.forget(what));
  }

  /** What this process has counted. */
  async counts(): Promise<{ readonly files: FileCache.FileCounts; readonly responses: ResponseCache.ResponseCounts }> {
    const [files, responses] = await Promise.all([
      this.#files((cache) => cache.counts),
      this.#responses((cache) => cache.counts),
    ]);
    return { files, responses };
  }

  close(): Promise<void> {
    return this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
