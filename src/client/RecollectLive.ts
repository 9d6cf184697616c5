/**
 * Watching for programs that speak in promises: history first, then live, as an async iterable.
 *
 * Room: client.
 */
import { dataOf } from "../log/Envelope.ts";
import { Deferred, Effect, Layer, type ManagedRuntime, Stream } from "effect";
import * as History from "../domain/History.ts";
import { isMisfit, type LogEntry } from "../domain/Event.ts";
import * as Connect from "../publish/Connect.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import { type Seen, Watch, type Watchable, type Watching } from "../coordination/watch/Watch.ts";
import * as Watches from "../coordination/watch/Watch.ts";

/** What to watch: one thread, task or session by its id, or everything of the tenant. */
export type Target = { readonly thread: string } | { readonly task: string } | { readonly session: string } | "all";

/** An event as a program in promises sees it: `data` is the body's JSON. */
export interface WatchedEvent {
  readonly sequence: number;
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly kind: History.HistoryKind;
  readonly historyId: string;
  readonly source: string;
  readonly actor: string | undefined;
  readonly session: string | undefined;
  /** Epoch milliseconds. */
  readonly occurredAt: number;
  readonly data: unknown;
}

export type WatchedElement =
  | { readonly _tag: "Event"; readonly event: WatchedEvent }
  | Exclude<Seen, { readonly _tag: "Event" }>;

const eventOf = (entry: LogEntry): ReadonlyArray<WatchedElement> => {
  if (isMisfit(entry)) return [];
  const { actor, body, history, id, occurredAt, sequence, session, source, type } = entry;
  const { id: historyId, kind, tenant } = history;
  const about = { source, actor, session, occurredAt };
  return [{ _tag: "Event", event: { sequence, id, type, tenant, kind, historyId, ...about, data: dataOf(body) } }];
};

const watchableOf = (target: Target, tenant: string): Watchable => {
  if (target === "all") return { tenant };
  if ("thread" in target) return { history: History.thread(target.thread, tenant) };
  if ("task" in target) return { history: History.task(target.task, tenant) };
  return { history: History.session(target.session, tenant) };
};

export class RecollectLive {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Watch, never>;
  readonly #tenant: string;
  readonly #closed = Deferred.makeUnsafe<void>();

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Watch, never>, tenant: string) {
    this.#runtime = runtime;
    this.#tenant = tenant;
  }

  /** As `Recollect.connect`: never fails because NATS is away; a watcher then waits for it. */
  static async connect(options: ConnectOptions = {}): Promise<RecollectLive> {
    const runtime = await begin(options, (given) => Watches.layer.pipe(Layer.provide(Connect.layer(given))));
    return new RecollectLive(runtime, options.tenant ?? History.defaultTenant);
  }

  /**
   * Every event once and in order, without end: leaving the loop ends it, and so does `close`. `CaughtUp` says that what follows is live,
   * `Slow` that the loop took too long and goes on from the log; nothing is missed.
   */
  watch(target: Target, options: Watching = {}): AsyncIterable<WatchedElement> {
    const elements = Stream.unwrap(
      Watch.use(({ watch }) => Effect.succeed(watch(watchableOf(target, this.#tenant), options))),
    ).pipe(
      Stream.map((seen) => (seen._tag === "Event" ? eventOf(seen.entry) : [seen])),
      Stream.flattenIterable,
      Stream.interruptWhen(Deferred.await(this.#closed)),
    );
    const runtime = this.#runtime;
    return {
      async *[Symbol.asyncIterator]() {
        yield* Stream.toAsyncIterableWith(elements, await runtime.context());
      },
    };
  }

  /** Ends its loops and lets go. */
  close(): Promise<void> {
    Deferred.doneUnsafe(this.#closed, Effect.void);
    return this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
