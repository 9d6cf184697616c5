/**
 * A conversation that is handed over whole each time: which of its messages are new.
 *
 * Room: domain. In: Content, Repeats. Out: ThreadEvents, publish.
 *
 * Messages are compared by a hash of role and content. A client that only goes on is recognised by one comparison: the
 * hash over all it sent last time. One that edited, shortened or summarised its history is matched in runs; a message
 * is new unless it stands in such a run, or is long enough to be meant. So nothing is said twice, and a short word that
 * is really said again ("yes") is not mistaken for an old one.
 */
import { Schema } from "effect";
import { createHash } from "node:crypto";
import type { Part } from "./Content.ts";
import { isObject, type JsonValue } from "./Json.ts";
import { sha256Of } from "./Repeats.ts";

/**
 * What the client did to its history before the message that says so. `edited`: it said something else at a place where
 * something stood, or went on from an earlier place. `truncated`: it left out what stood between. `compacted`: it left
 * out several messages and put something new in their place. `omitted` counts the messages it left out.
 */
export const Resent = Schema.Struct({
  change: Schema.Literals(["edited", "truncated", "compacted"]),
  omitted: Schema.Natural,
});
export type Resent = typeof Resent.Type;

/** Messages of a thread that are remembered one by one; of those before only their number. 100 bytes each. */
const mostHeld = 4096;
/** A message of this size that was said before is meant to be that one, also when it stands alone. */
const leastAloneUnits = 64;
/** Places of one content that are looked at: a thread that says "ok" a thousand times is searched no longer. */
const mostPlaces = 16;

const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted((value as Record<string, JsonValue>)[key])]),
  );
};

/** What a part says, without what clients drop when they send it back: thoughts, signatures, sizes. */
const essence = (part: Part): ReadonlyArray<unknown> => {
  switch (part.type) {
    case "text":
      return part.text === "" ? [] : [["text", part.blob?.sha256 ?? sha256Of(part.text)]];
    case "thinking":
      return [];
    case "tool_use":
      return [["call", part.callId, part.name, part.blob?.sha256 ?? sorted(part.arguments ?? null)]];
    case "tool_result":
      return [["result", part.callId, part.blob?.sha256 ?? sha256Of(part.text)]];
    case "image":
      return [["image", part.url ?? part.blob?.sha256 ?? sha256Of(part.data ?? "")]];
    case "file":
      return [["file", part.path]];
    case "other":
      return [["other", part.kind]];
  }
};

/** Names what was said and by whom: canonical JSON, hashed, 128 bits of it. */
export const contentHash = (role: string, parts: ReadonlyArray<Part>): string =>
  sha256Of(JSON.stringify([role, parts.flatMap(essence)])).slice(0, 32);

/** The hash over a list that is one longer. */
const grown = (prefix: string, hash: string): string =>
  createHash("sha256").update(prefix).update(hash).digest("hex").slice(0, 32);

/** The hashes over the first 1, 2, 3 … of a list. */
export const prefixesOf = (hashes: ReadonlyArray<string>): ReadonlyArray<string> => {
  let prefix = "";
  return hashes.map((hash) => (prefix = grown(prefix, hash)));
};

export interface Sent {
  readonly hash: string;
  /** About how much it says. */
  readonly units: number;
}

export interface Compared {
  /** Which of the messages sent are new, ascending. */
  readonly fresh: ReadonlyArray<number>;
  readonly resent: Resent | undefined;
}

/** What a thread holds, as far as it must be known to compare. Grows in place, up to a bound. */
export class Held {
  #hashes: Array<string> = [];
  readonly #ids = new Map<string, string>();
  #view: { readonly length: number; readonly prefix: string } | undefined;

  /** A message of the thread; the same id again replaces what it says. */
  add(messageId: string, hash: string): void {
    const old = this.#ids.get(messageId);
    this.#ids.set(messageId, hash);
    const at = old === undefined ? -1 : this.#hashes.lastIndexOf(old);
    if (at >= 0) this.#hashes[at] = hash;
    else this.#hashes.push(hash);
    if (this.#hashes.length > 2 * mostHeld) this.#hashes = this.#hashes.slice(-mostHeld);
    for (const oldest of this.#ids.keys()) {
      if (this.#ids.size <= mostHeld) break;
      this.#ids.delete(oldest);
    }
  }

  /** The client has this list now. */
  saw(prefixes: ReadonlyArray<string>): void {
    this.#view = { length: prefixes.length, prefix: prefixes.at(-1) ?? "" };
  }

  compare(sent: ReadonlyArray<Sent>, prefixes: ReadonlyArray<string>): Compared {
    const view = this.#view;
    const goesOn =
      view !== undefined && view.length <= sent.length && (prefixes[view.length - 1] ?? "") === view.prefix;
    // What others wrote meanwhile may be what the client sends next, so the rest is compared all the same.
    return this.#match(sent, goesOn ? view.length : 0);
  }

  /** Finds runs of what is sent, from `from` on, in what is held; all before `from` is known. */
  #match(sent: ReadonlyArray<Sent>, from: number): Compared {
    const places = new Map<string, Array<number>>();
    for (const [at, hash] of this.#hashes.entries()) {
      const there = places.get(hash) ?? [];
      there.push(at);
      places.set(hash, there);
    }
    const used = new Set<number>();
    const next = (at: number): number => {
      let after = at + 1;
      while (used.has(after)) after++;
      return after;
    };
    const runAt = (at: number, index: number): ReadonlyArray<number> => {
      const run: Array<number> = [];
      for (let place = at, one = index; one < sent.length && this.#hashes[place] === sent[one]?.hash; one++) {
        run.push(place);
        place = next(place);
      }
      return run;
    };
    for (let index = 0, place = 0; index < from; index++) {
      // Known already: their places are taken, so that they are not taken for what comes after.
      const hash = sent[index]?.hash ?? "";
      const there = places.get(hash)?.find((at) => at >= place && !used.has(at));
      if (there === undefined) continue;
      used.add(there);
      place = there;
    }
    const fresh: Array<number> = [];
    let expected = used.size === 0 ? 0 : next(Math.max(...used));
    for (let index = from; index < sent.length;) {
      const candidates = (places.get(sent[index]?.hash ?? "") ?? []).filter((at) => !used.has(at)).slice(-mostPlaces);
      const runs = candidates.map((at) => runAt(at, index));
      const best = runs.toSorted((a, b) => b.length - a.length)[0] ?? [];
      const [first] = best;
      const isAtEdge = first === this.#hashes.length - 1 && (index === 0 || index === sent.length - 1);
      const isLong = (sent[index]?.units ?? 0) >= leastAloneUnits;
      const isMeant = best.length > 1 || (best.length === 1 && (isLong || isAtEdge || first === expected));
      if (!isMeant) {
        fresh.push(index++);
        expected = -1;
        continue;
      }
      for (const place of best) used.add(place);
      expected = next(best.at(-1) ?? 0);
      index += best.length;
    }
    return { fresh, resent: from > 0 ? undefined : this.#changeOf({ sent, fresh, used }) };
  }

  #changeOf(options: {
    readonly sent: ReadonlyArray<Sent>;
    readonly fresh: ReadonlyArray<number>;
    readonly used: ReadonlySet<number>;
  }): Resent | undefined {
    const { fresh, sent, used } = options;
    const omitted = this.#hashes.length - used.size;
    if (omitted === 0 || this.#hashes.length === 0) return undefined;
    // New messages that something old comes after stand in the place of what is missing.
    const lastOld = sent.findLastIndex((_, index) => !fresh.includes(index));
    const inserted = fresh.filter((index) => index < lastOld).length;
    const goesOnFromEnd = used.has(this.#hashes.length - 1);
    if (inserted === 0 && goesOnFromEnd) return { change: "truncated", omitted };
    return { change: inserted > 0 && omitted > inserted ? "compacted" : "edited", omitted };
  }
}
