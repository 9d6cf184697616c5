/**
 * What a process knows of bounded agent types: which were full a moment ago, and who waits for a place.
 *
 * Room: coordination.
 *
 * Knowledge, not truth: the bucket says who has a place. It spares questions that would be answered with no.
 */
import { Clock, Effect } from "effect";

interface Known {
  /** Counts what may have freed a place. */
  changes: number;
  /** `changes` when all were taken, and until when that is believed, epoch milliseconds. */
  full: { readonly changes: number; readonly until: number } | undefined;
  readonly waiting: Set<() => void>;
}

export class SlotCounts {
  readonly #types = new Map<string, Known>();

  #known(agentType: string): Known {
    const found = this.#types.get(agentType) ?? { changes: 0, full: undefined, waiting: new Set() };
    this.#types.set(agentType, found);
    return found;
  }

  /** What `full` is told: nothing that happens after this is overlooked. */
  changes(agentType: string): number {
    return this.#known(agentType).changes;
  }

  /** All places were taken, by a look that began at `changes`. */
  full(agentType: string, changes: number, until: number): void {
    this.#known(agentType).full = { changes, until };
  }

  /** A place of the type may be free. A type that nobody here has asked for is no news. */
  freed(agentType: string): void {
    const one = this.#types.get(agentType);
    if (one === undefined) return;
    one.changes++;
    // Those that are woken may wait again at once.
    const woken = [...one.waiting];
    one.waiting.clear();
    for (const wake of woken) wake();
  }

  /** Bounds have changed. */
  allFreed(): void {
    for (const agentType of this.#types.keys()) this.freed(agentType);
  }

  isFull(agentType: string): Effect.Effect<boolean> {
    return Effect.map(Clock.currentTimeMillis, (now) => {
      const one = this.#types.get(agentType);
      return one?.full !== undefined && one.full.changes === one.changes && now < one.full.until;
    });
  }

  /** Returns when one of these types, which are full, may have a place. */
  awaitFreed(agentTypes: ReadonlyArray<string>): Effect.Effect<void> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const all = agentTypes.map((agentType) => this.#known(agentType));
      const until = all.reduce((least, { full }) => Math.min(least, full?.until ?? now), Infinity);
      const woken = Effect.callback<void>((resume) => {
        const wake = () => resume(Effect.void);
        for (const one of all) {
          one.waiting.add(wake);
          if (one.full?.changes !== one.changes) wake();
        }
        return Effect.sync(() => {
          for (const one of all) one.waiting.delete(wake);
        });
      });
      return Effect.raceFirst(woken, Effect.sleep(Math.max(0, until - now)));
    });
  }
}
