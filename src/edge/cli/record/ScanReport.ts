/**
 * The findings of a scan of the store: secrets by place, and those replaced by marks. Never a secret itself.
 *
 * Room: edge.
 */
import type { History, Sequence } from "../../../domain/History.ts";
import type { Seen } from "../../../domain/secret/RedactSecrets.ts";

/** Place of secrets of one rule: an event. */
export interface Place {
  readonly rule: string;
  /** Of the keyed digest; the same secret has the same one everywhere. */
  readonly digests: ReadonlyArray<string>;
  readonly tenant: string;
  readonly kind: string;
  readonly id: string;
  readonly sequence: Sequence;
  readonly type: string;
  readonly occurredAt: number;
  readonly count: number;
}

/** An event that was looked at. */
export interface Looked {
  readonly history: History;
  readonly sequence: Sequence;
  readonly type: string;
  readonly occurredAt: number;
  readonly bytes: number;
  readonly secrets: ReadonlyArray<Seen>;
  readonly marks: ReadonlyArray<Seen>;
}

/** Of one rule. */
interface Sum {
  /** Number of occurrences. */
  count: number;
  /** Digests of the different ones, up to a bound. */
  readonly digests: Set<string>;
  readonly histories: Set<string>;
  events: number;
}

export interface RuleSum {
  readonly rule: string;
  readonly secrets: number;
  readonly distinct: number;
  readonly histories: number;
  readonly events: number;
}

/** Places and digests that are kept: a store of a million secrets is counted, and its first places are listed. */
const mostKept = 100_000;

const byRule = (sums: ReadonlyMap<string, Sum>): ReadonlyArray<RuleSum> =>
  [...sums]
    .map(([rule, { count, digests, events, histories }]) => ({
      rule,
      secrets: count,
      distinct: digests.size,
      histories: histories.size,
      events,
    }))
    .toSorted((one, other) => other.secrets - one.secrets || (one.rule < other.rule ? -1 : 1));

const add = (sums: Map<string, Sum>, seen: ReadonlyArray<Seen>, history: string): void => {
  for (const [rule, all] of Map.groupBy(seen, (one) => one.rule)) {
    const sum = sums.get(rule) ?? { count: 0, digests: new Set(), histories: new Set(), events: 0 };
    sums.set(rule, sum);
    sum.count += all.length;
    sum.events++;
    if (sum.histories.size < mostKept) sum.histories.add(history);
    for (const { digest } of all) if (sum.digests.size < mostKept) sum.digests.add(digest);
  }
};

export class ScanReport {
  readonly #secrets = new Map<string, Sum>();
  readonly #marks = new Map<string, Sum>();
  readonly places: Array<Place> = [];
  events = 0;
  bytes = 0;
  /** Events that could not be looked into, as large parts that are lost. */
  unread = 0;
  #places = 0;
  readonly #most: number;

  constructor(mostPlaces: number) {
    this.#most = Math.min(mostPlaces, mostKept);
  }

  add({ bytes, history, marks, occurredAt, secrets, sequence, type }: Looked): void {
    this.events++;
    this.bytes += bytes;
    const { id, kind, tenant } = history;
    const name = `${tenant} ${kind} ${id}`;
    add(this.#secrets, secrets, name);
    add(this.#marks, marks, name);
    for (const [rule, all] of Map.groupBy(secrets, (one) => one.rule)) {
      this.#places++;
      if (this.places.length >= this.#most) continue;
      const digests = [...new Set(all.map(({ digest }) => digest))];
      this.places.push({ rule, digests, tenant, kind, id, sequence, type, occurredAt, count: all.length });
    }
  }

  /** Places that are not in the list. */
  get more(): number {
    return this.#places - this.places.length;
  }

  get secrets(): ReadonlyArray<RuleSum> {
    return byRule(this.#secrets);
  }

  get marks(): ReadonlyArray<RuleSum> {
    return byRule(this.#marks);
  }
}
