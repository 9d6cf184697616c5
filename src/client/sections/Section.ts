/**
 * A section of the client: services that are made at their first use, over the client's one connection, and end with it.
 *
 * Room: client.
 */
import { setMaxListeners } from "node:events";
import { Context, Deferred, Effect, Exit, Layer, type ManagedRuntime, Scope, Stream } from "effect";
import * as InFlight from "../InFlight.ts";
import type { Core } from "../PromiseRuntime.ts";
import { RecollectClosed } from "../RecollectClosed.ts";
import { errorOf } from "../RecollectError.ts";

type Runtime = ManagedRuntime.ManagedRuntime<Core, never>;

/** Shared by the sections of one client: the runtime, and the signal that ends them. */
export class Sections {
  readonly runtime: Runtime;
  readonly #scope = Scope.makeUnsafe();
  readonly #closed = Deferred.makeUnsafe<never, RecollectClosed>();
  /** Interrupts what runs: a signal, because a race for each call is two more fibers. */
  readonly #closing = new AbortController();
  readonly #ends = new Set<() => Promise<unknown>>();
  #isClosed = false;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
    // One listener for each call that is on its way.
    setMaxListeners(0, this.#closing.signal);
  }

  /** `layer` is made once, whoever uses it; a failure is told to each caller, and tried again by the next. */
  section<A, E>(layer: Layer.Layer<A, E, Core>): Section<A> {
    let made: Promise<Context.Context<A>> | undefined;
    const make = () => {
      const build = Layer.buildWithMemoMap(layer, this.runtime.memoMap, this.#scope);
      const built = InFlight.held(this.runtime.runPromise(build));
      made = built;
      built.catch(() => (made = undefined));
      return built;
    };
    return new Section(this, () => made ?? make());
  }

  /** Throws once the client is closed. */
  assertOpen(): void {
    if (this.#isClosed) throw errorOf(new RecollectClosed());
  }

  /** Runs an effect until it is done or the client is closed. */
  async run<A, E>(effect: Effect.Effect<A, E, Core>, signal?: AbortSignal): Promise<A> {
    this.assertOpen();
    const closing = this.#closing.signal;
    const ends = signal === undefined ? closing : AbortSignal.any([closing, signal]);
    return InFlight.held(this.runtime.runPromise(effect, { signal: ends })).catch((cause: unknown) => {
      throw errorOf(closing.aborted ? new RecollectClosed() : cause);
    });
  }

  /** Fails when the client is closed. */
  readonly closed: Effect.Effect<never, RecollectClosed> = Deferred.await(this.#closed);

  /** Something that must be ended before the services are; answers how to forget it. */
  keep(end: () => Promise<unknown>): () => void {
    this.#ends.add(end);
    return () => this.#ends.delete(end);
  }

  /** Ends what is kept, fails what is still waited for, and lets the services go. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await Promise.allSettled([...this.#ends].map((end) => end()));
    this.#isClosed = true;
    Deferred.doneUnsafe(this.#closed, Effect.fail(new RecollectClosed()));
    this.#closing.abort();
    await InFlight.held(this.runtime.runPromise(Scope.close(this.#scope, Exit.void)));
  }
}

export class Section<A> {
  readonly sections: Sections;
  readonly #context: () => Promise<Context.Context<A>>;

  constructor(sections: Sections, context: () => Promise<Context.Context<A>>) {
    this.sections = sections;
    this.#context = context;
  }

  async #made(): Promise<Context.Context<A>> {
    this.sections.assertOpen();
    return this.#context().catch((cause: unknown) => {
      throw errorOf(cause);
    });
  }

  /** Runs an effect on the section's services. */
  async run<B, E>(effect: Effect.Effect<B, E, A | Core>, signal?: AbortSignal): Promise<B> {
    const made = await this.#made();
    return this.sections.run(Effect.provideContext(effect, made) as Effect.Effect<B, E, Core>, signal);
  }

  /** A stream as an async iterable. Leaving the loop ends it; closing the client ends it too, or lets it reject. */
  async *iterate<B, E>(
    stream: Stream.Stream<B, E, A | Core>,
    onClose: "ends" | "rejects" = "ends",
  ): AsyncGenerator<B, void> {
    const made = await this.#made();
    const core = await this.sections.runtime.context();
    const { closed } = this.sections;
    const letGo = InFlight.hold();
    const bounded = Stream.interruptWhen(stream, onClose === "ends" ? Effect.ignore(closed) : closed);
    try {
      yield* Stream.toAsyncIterableWith(bounded, Context.merge(core, made));
    } catch (cause) {
      throw errorOf(cause);
    } finally {
      letGo();
    }
  }
}
