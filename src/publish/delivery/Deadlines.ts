/**
 * Deadlines of writes that are on their way, all watched by one fiber.
 *
 * Room: publish.
 *
 * Decision: no timeout for each, because that is two fibers and a timer for every write, and hardly one of them is ever late.
 */
import { Effect, type Scope } from "effect";
import { elapsed } from "../../log/connection/Elapsed.ts";

interface Deadline {
  /** As `elapsed` counts. */
  readonly due: number;
  readonly expire: () => void;
}

export class Deadlines {
  readonly #fibers: Scope.Scope;
  readonly #all = new Set<Deadline>();
  /** Next look of the watch (`elapsed`); infinite: none runs. */
  #looksAt = Number.POSITIVE_INFINITY;

  /** The watch runs in `fibers`, while there is a deadline. */
  constructor(fibers: Scope.Scope) {
    this.#fibers = fibers;
  }

  /** Calls `expire` after `millis`, unless it is taken back before. Returns what takes it back: true when it was in time. */
  add(millis: number, expire: () => void): Effect.Effect<() => boolean> {
    return Effect.flatMap(elapsed, (now) => {
      const deadline = { due: now + millis, expire };
      this.#all.add(deadline);
      const isInTime = () => this.#all.delete(deadline);
      if (deadline.due >= this.#looksAt) return Effect.succeed(isInTime);
      this.#looksAt = deadline.due;
      return Effect.as(Effect.forkIn(this.#watch(deadline.due), this.#fibers), isInTime);
    });
  }

  /** Expires what is due then, and looks on. One that is to look sooner takes over. */
  #watch(first: number): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      for (let at = first; at < Number.POSITIVE_INFINITY; at = this.#looksAt) {
        yield* Effect.sleep(Math.max(1, at - (yield* elapsed)));
        const now = yield* elapsed;
        let next = Number.POSITIVE_INFINITY;
        for (const deadline of this.#all) {
          if (deadline.due > now) next = Math.min(next, deadline.due);
          else if (this.#all.delete(deadline)) deadline.expire();
        }
        if (this.#looksAt !== at) return;
        this.#looksAt = next;
      }
    });
  }
}
