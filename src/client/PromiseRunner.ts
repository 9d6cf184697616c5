/**
 * Effects as promises that may be left alone: their failures are counted and never crash the program.
 *
 * Room: client.
 */
import { Effect, type ManagedRuntime, Stream } from "effect";
import * as InFlight from "./InFlight.ts";
import type { Core } from "./PromiseRuntime.ts";
import type { Published } from "../publish/Publisher.ts";
import { RecollectClosed } from "./RecollectClosed.ts";
import { errorOf } from "./RecollectError.ts";

/** Calls since the last flush, by what became of them. */
export interface Flushed {
  readonly appended: number;
  readonly spooled: number;
  readonly held: number;
  /** Number of failed calls, awaited ones included. */
  readonly refused: number;
  /** Reasons of the first hundred failures. */
  readonly failures: ReadonlyArray<Error>;
}

/** Failures that `flush` tells of one by one; those behind them are counted. */
const maxFailures = 100;

/** Runs effects as promises that may be left alone. */
export class PromiseRunner {
  readonly runtime: ManagedRuntime.ManagedRuntime<Core, never>;
  #appended = 0;
  #spooled = 0;
  #held = 0;
  #refused = 0;
  #failures: Array<Error> = [];
  #isClosed = false;
  #lastSequence = 0;
  #hasWaited = false;
  readonly #open = new Set<() => Promise<unknown>>();
  readonly #outstanding = new Set<Promise<unknown>>();

  constructor(runtime: ManagedRuntime.ManagedRuntime<Core, never>) {
    this.runtime = runtime;
  }

  run<A, E>(effect: Effect.Effect<A, E, Core>): Promise<A> {
    const promise = this.#isClosed ? Promise.reject<A>(errorOf(new RecollectClosed())) : this.#begin(effect);
    this.#outstanding.add(promise);
    const settle = () => void this.#outstanding.delete(promise);
    promise.then(settle, (error: Error) => {
      settle();
      this.#refused++;
      if (this.#failures.length < maxFailures) this.#failures.push(error);
    });
    return promise;
  }

  #begin<A, E>(effect: Effect.Effect<A, E, Core>): Promise<A> {
    return InFlight.held(this.runtime.runPromise(effect)).catch((cause: unknown) => {
      throw errorOf(this.#isClosed ? new RecollectClosed() : cause);
    });
  }

  /** The values of a stream, one by one; ends with an error as `run` rejects with. */
  async *iterate<A, E>(stream: Stream.Stream<A, E, Core>): AsyncGenerator<A, void> {
    if (this.#isClosed) throw errorOf(new RecollectClosed());
    const letGo = InFlight.hold();
    try {
      yield* Stream.toAsyncIterableWith(stream, await this.runtime.context());
    } catch (cause) {
      throw errorOf(cause);
    } finally {
      letGo();
    }
  }

  /** Runs a synchronous effect. Throws what `run` rejects with. */
  now<A, E>(effect: Effect.Effect<A, E, Core>): A {
    if (this.#isClosed) throw errorOf(new RecollectClosed());
    return this.sync(effect);
  }

  /** The same as `now`, also after `close`: for answers, whose methods then say that they have ended. */
  sync<A, E>(effect: Effect.Effect<A, E, Core>): A {
    try {
      return this.runtime.runSync(effect);
    } catch (cause) {
      throw errorOf(cause);
    }
  }

  /** Every later call is refused. */
  close(): Promise<void> {
    this.#isClosed = true;
    return InFlight.held(this.runtime.dispose());
  }

  /** Runs an effect whose result says what became of an event, and counts it. */
  publish<A extends Published, E>(effect: Effect.Effect<A, E, Core>): Promise<A> {
    return this.run(Effect.tap(effect, (published) => Effect.sync(() => this.count(published))));
  }

  count(published: Published): void {
    const { _tag } = published;
    if ("sequence" in published) this.reached(published.sequence);
    else this.#hasWaited = true;
    if (_tag === "Spooled") this.#spooled++;
    else if (_tag === "Held") this.#held++;
    else this.#appended++;
  }

  /** An append of this client stands at that sequence. */
  reached(sequence: number): void {
    this.#lastSequence = Math.max(this.#lastSequence, sequence);
  }

  /** Highest sequence that this client appended; undefined when some commands were spooled and have no sequence yet. */
  get ownSequence(): number | undefined {
    return this.#hasWaited ? undefined : this.#lastSequence;
  }

  /** Something that must be ended before the runtime is. */
  keep(end: () => Promise<unknown>): () => void {
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** Ends what is still open. */
  async endOpen(): Promise<void> {
    await Promise.allSettled([...this.#open].map((end) => end()));
  }

  async flush(): Promise<Flushed> {
    await Promise.allSettled(this.#outstanding);
    const flushed = {
      appended: this.#appended,
      spooled: this.#spooled,
      held: this.#held,
      refused: this.#refused,
      failures: this.#failures,
    };
    this.#appended = 0;
    this.#spooled = 0;
    this.#held = 0;
    this.#refused = 0;
    this.#failures = [];
    return flushed;
  }
}
