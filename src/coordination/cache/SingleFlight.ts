/**
 * Single flight: work that several callers of a process ask for at the same time is done once.
 *
 * Room: coordination.
 *
 * It runs in a scope of its own, so that the first caller may go away without taking the answer of the others with it.
 * Decision: not Effect's `Cache`, because that one counts entries where ours weigh bytes, and because a flight here must
 * not be joined once its key was invalidated.
 */
import { Deferred, Effect, type Exit, type Scope } from "effect";

export interface Flown<A> {
  readonly value: A;
  /** True when another caller had asked before. */
  readonly isJoined: boolean;
}

export class SingleFlight<A, E> {
  readonly #flights = new Map<string, Deferred.Deferred<A, E>>();
  readonly #scope: Scope.Scope;

  constructor(scope: Scope.Scope) {
    this.#scope = scope;
  }

  /** The outcome of `work`, or of the same work that is under way. */
  once(key: string, work: Effect.Effect<A, E>): Effect.Effect<Flown<A>, E> {
    return Effect.suspend(() => {
      const joined = this.#flights.get(key);
      if (joined !== undefined) return Effect.map(Deferred.await(joined), (value) => ({ value, isJoined: true }));
      const flight = Deferred.makeUnsafe<A, E>();
      this.#flights.set(key, flight);
      const land = (exit: Exit.Exit<A, E>) =>
        Effect.suspend(() => {
          if (this.#flights.get(key) === flight) this.#flights.delete(key);
          return Deferred.done(flight, exit);
        });
      return Effect.andThen(
        Effect.forkIn(Effect.onExit(work, land), this.#scope, { startImmediately: true }),
        Effect.map(Deferred.await(flight), (value) => ({ value, isJoined: false })),
      );
    });
  }

  /** True when the next caller with that key would wait for another. */
  isUnderway(key: string): boolean {
    return this.#flights.has(key);
  }

  /** Later callers ask anew. */
  part(): void {
    this.#flights.clear();
  }
}
