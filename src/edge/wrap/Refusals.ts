/**
 * Refused calls, gathered: one event for those of one tool and limit in a while.
 *
 * Room: edge.
 */

/** Time over which refusals are gathered into one event, milliseconds. */
export const gatherMillis = 10_000;

/** Tools and limits that are told apart in a while; beyond it calls count under the tool `*`. A client invents names. */
const maxApart = 100;

export interface Gathered {
  readonly tool: string;
  readonly limit: string;
  count: number;
  readonly firstAt: number;
  lastAt: number;
}

export class Refusals {
  #gathered = new Map<string, Gathered>();

  add({ at, limit, tool }: { readonly at: number; readonly limit: string; readonly tool: string }): void {
    const isApart = this.#gathered.size < maxApart || this.#gathered.has(JSON.stringify([limit, tool]));
    const name = isApart ? tool : "*";
    const key = JSON.stringify([limit, name]);
    const known = this.#gathered.get(key) ?? { tool: name, limit, count: 0, firstAt: at, lastAt: at };
    known.count++;
    known.lastAt = at;
    this.#gathered.set(key, known);
  }

  /** Refusals that were gathered since the last time. */
  take(): ReadonlyArray<Gathered> {
    const all = [...this.#gathered.values()];
    this.#gathered = new Map();
    return all;
  }
}
