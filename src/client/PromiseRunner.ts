/**
 * Effects as promises that may be left alone: their failures are counted and never crash the program.
 *
 * Room: client.
 */
import { Effect, type ManagedRuntime } from "effect";
import type { Core } from "./PromiseRuntime.ts";
import type { Published } from "../publish/Publisher.ts";

/** Calls since the last flush, by what became of them. */
export interface Flushed {
  readonly appended: number;
  readonly spooled: number;
  readonly held: number;
  /** Why calls failed. Awaited ones have told their caller already. */
  readonly failures: ReadonlyArray<Error>;
}

/** Failures that `flush` can tell of; those behind them are counted by nobody. */
const maxFailures = 100;

/** Runs effects as promises that may be left alone. */
export class PromiseRunner {
  readonly runtime: ManagedRuntime.ManagedRuntime<Core, never>;
  #appended = 0;
  #spooled = 0;
  #held = 0;
  #failures: Array<Error> = [];
  readonly #open = new Set<() => Promise<unknown>>();
  readonly #outstanding = new Set<Promise<unknown>>();

  constructor(runtime: ManagedRuntime.ManagedRuntime<Core, never>) {
    this.runtime = runtime;
  }

  run<A, E>(effect: Effect.Effect<A, E, Core>): Promise<A> {
    const promise = this.runtime.runPromise(effect);
    this.#outstanding.add(promise);
    const settle = (error?: unknown) => {
      this.#outstanding.delete(promise);
      const isTold = error === undefined || this.#failures.length >= maxFailures;
      if (!isTold) this.#failures.push(error instanceof Error ? error : new Error(String(error)));
    };
    promise.then(() => settle(), settle);
    return promise;
  }

  /** Runs an effect whose result says what became of an event, and counts it. */
  publish<A extends Published, E>(effect: Effect.Effect<A, E, Core>): Promise<A> {
    return this.run(Effect.tap(effect, (published) => Effect.sync(() => this.count(published))));
  }

  count({ _tag }: Published): void {
    if (_tag === "Spooled") this.#spooled++;
    else if (_tag === "Held") this.#held++;
    else this.#appended++;
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
    const flushed = { appended: this.#appended, spooled: this.#spooled, held: this.#held, failures: this.#failures };
    this.#appended = 0;
    this.#spooled = 0;
    this.#held = 0;
    this.#failures = [];
    return flushed;
  }
}
