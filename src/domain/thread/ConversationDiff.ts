/**
 * A conversation that is handed over whole each time: which of its messages are new.
 *
 * Room: domain.
 *
 * Messages are compared by a hash of role and content. A client that only goes on is recognised by one comparison: the
 * hash over all it sent last time. One that edited, shortened or summarised its history is matched in runs; a message
 * is new unless it stands in such a run, or is long enough to be meant. So nothing is said twice, and a short word that
 * is really said again ("yes") is not mistaken for an old one.
 */
import { Schema } from "effect";
import { createHash } from "node:crypto";
import type { Part } from "./Content.ts";
import { isObject, type JsonValue, utf8Length } from "../Json.ts";
import { withoutDigests } from "../secret/SecretMark.ts";
import { type Normalised, sha256Of } from "./RepeatedText.ts";

/**
 * Change of a client's history before the message that says so. `edited`: it said something else at a place where
 * something stood, or went on from an earlier place. `truncated`: it left out what stood between. `compacted`: it left
 * out several messages and put something new in their place. `omitted` counts the messages it left out.
 */
export const ConversationDiff = Schema.Struct({
  change: Schema.Literals(["edited", "truncated", "compacted"]),
  omitted: Schema.Natural,
});
export type ConversationDiff = typeof ConversationDiff.Type;

/** Messages of a thread that are remembered one by one: 100 bytes each. Those before are known by their ids alone. */
const mostHeld = 32_768;
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

/** JSON above this size is compared as it was written: its event refers to it by the hash of its text. In UTF-8. */
const largeJsonBytes = 256 * 1024;

const jsonEssence = (value: unknown): unknown => {
  if (value == null) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (utf8Length(text) > largeJsonBytes) return sha256Of(text);
  const same = withoutDigests(text);
  return sorted(same === text ? value : typeof value === "string" ? same : JSON.parse(same));
};

/** The hash of what base64 stands for, as the object store has it. */
const bytesHash = (data: string | null | undefined): string | null =>
  data == null ? null : createHash("sha256").update(Buffer.from(data, "base64")).digest("hex");

/**
 * Content of a part for comparison, without the digests of redacted secrets, which are others under another machine's key, and without what clients drop when they send it back: thoughts, signatures, sizes. */
const essence = (part: Part): ReadonlyArray<unknown> => {
  switch (part.type) {
    case "text":
      return part.text === "" ? [] : [["text", part.blob?.sha256 ?? sha256Of(withoutDigests(part.text))]];
    case "thinking":
      return [];
    case "tool_use":
      return [["call", part.callId, part.name, part.blob?.sha256 ?? jsonEssence(part.arguments)]];
    case "tool_result":
      return [["result", part.callId, part.blob?.sha256 ?? sha256Of(withoutDigests(part.text))]];
    case "image":
      return [["image", part.url ?? part.blob?.sha256 ?? bytesHash(part.data)]];
    case "file":
      return [["file", part.path, part.sha256 ?? part.blob?.sha256 ?? bytesHash(part.data)]];
    case "other":
      return [["other", part.kind, part.blob?.sha256 ?? jsonEssence(part.value)]];
  }
};

/** Stand-in for the text that a message was sent with; see `Normalised`. */
const originalEssence = (parts: ReadonlyArray<Part>, normalised: Normalised | null | undefined) => {
  const said = parts.map(essence);
  if (normalised == null) return said.flat();
  return said.toSpliced(normalised.first, normalised.parts, [["text", normalised.sha256]]).flat();
};

/**
 * Names what was said and by whom: canonical JSON, hashed, 128 bits of it. The same for a message as it was sent and as
 * its event holds it: with the whole of a large part in the object store, and without what it repeats.
 */
export const contentHash = (role: string, parts: ReadonlyArray<Part>, normalised?: Normalised | null): string =>
  sha256Of(JSON.stringify([role, originalEssence(parts, normalised)])).slice(0, 32);

/** The prompt that a program puts before the conversation: it may be another in each turn and is no turn itself. */
export const isPromptRole = (role: string): boolean => role === "system" || role === "developer";

/** The hash over a list that is one longer. */
const grown = (prefix: string, hash: string): string =>
  createHash("sha256").update(prefix).update(hash).digest("hex").slice(0, 32);

/** The hashes over the first 1, 2, 3 … of a list. */
export const prefixesOf = (hashes: ReadonlyArray<string>): ReadonlyArray<string> => {
  let prefix = "";
  return hashes.map((hash) => (prefix = grown(prefix, hash)));
};

/** A message of a thread, as far as it is compared. */
export interface Place {
  readonly hash: string;
  readonly isPrompt: boolean;
}

export interface Sent extends Place {
  /** About how much it says. */
  readonly units: number;
  /** The thread has what this client sent at this place of this list. */
  readonly isAppended: boolean;
}

export interface Compared {
  /** Indexes of the sent messages that are new, ascending. */
  readonly fresh: ReadonlyArray<number>;
  readonly resent: ConversationDiff | undefined;
  /** The list is the one that was sent last, and what comes after it. */
  readonly goesOn: boolean;
}

/** Content of a thread, as far as comparing needs it. Grows in place, up to a bound. */
export class Held {
  #places: Array<Place> = [];
  readonly #ids = new Map<string, string>();
  #view: { readonly length: number; readonly prefix: string } | undefined;
  /** Change of the client's history that no event says yet: there was nothing new. */
  #unsaid: ConversationDiff | undefined;

  /** A message of the thread; the same id again replaces what it says. */
  add(messageId: string, place: Place): void {
    const old = this.#ids.get(messageId);
    this.#ids.set(messageId, place.hash);
    const at = old === undefined ? -1 : this.#places.findLastIndex(({ hash }) => hash === old);
    if (at >= 0) this.#places[at] = place;
    else this.#places.push(place);
    if (this.#places.length > 2 * mostHeld) this.#places = this.#places.slice(-mostHeld);
    for (const oldest of this.#ids.keys()) {
      if (this.#ids.size <= mostHeld) break;
      this.#ids.delete(oldest);
    }
  }

  /** The client has this list now, and what was new in it is in the thread. */
  saw(prefixes: ReadonlyArray<string>, { fresh, goesOn, resent }: Compared): void {
    this.#view = { length: prefixes.length, prefix: prefixes.at(-1) ?? "" };
    if (fresh.length > 0) this.#unsaid = undefined;
    else if (!goesOn) this.#unsaid = resent;
  }

  compare(sent: ReadonlyArray<Sent>, prefixes: ReadonlyArray<string>): Compared {
    const view = this.#view;
    const goesOn =
      view !== undefined && view.length <= sent.length && (prefixes[view.length - 1] ?? "") === view.prefix;
    // Messages of others meanwhile may be what the client sends next, so the rest is compared all the same.
    const { fresh, used } = this.#match(sent, goesOn ? view.length : 0);
    const isOther = !goesOn || view.length === 0;
    const unsaid = fresh.length > 0 ? this.#unsaid : undefined;
    return { fresh, goesOn, resent: isOther ? this.#changeOf({ sent, fresh, used }) : unsaid };
  }

  /** Finds runs of what is sent, from `from` on, in what is held; all before `from` is known. */
  #match(
    sent: ReadonlyArray<Sent>,
    from: number,
  ): { readonly fresh: ReadonlyArray<number>; readonly used: ReadonlySet<number> } {
    const used = new Set<number>();
    if (from > 0 && from === sent.length) return { fresh: [], used };
    const places = new Map<string, Array<number>>();
    for (const [at, { hash }] of this.#places.entries()) {
      const there = places.get(hash);
      if (there === undefined) places.set(hash, [at]);
      else there.push(at);
    }
    /** The first free place from `at` on. A prompt is passed over, unless it is the one that is sent. */
    const free = (at: number, hash: string): number => {
      let place = at;
      for (; ; place++) {
        const there = this.#places[place];
        if (!used.has(place) && !(there?.isPrompt === true && there.hash !== hash)) return place;
      }
    };
    const runAt = (at: number, index: number): ReadonlyArray<number> => {
      const run: Array<number> = [];
      for (let place = at, one = index; one < sent.length; one++, place++) {
        const hash = sent[one]?.hash ?? "";
        place = free(place, hash);
        if (this.#places[place]?.hash !== hash) break;
        run.push(place);
      }
      return run;
    };
    let expected = 0;
    const looked = new Map<string, number>();
    for (let index = 0; index < from; index++) {
      // Known already: their places are taken, so that they are not taken for what comes after.
      const hash = sent[index]?.hash ?? "";
      const there = places.get(hash) ?? [];
      let nth = looked.get(hash) ?? 0;
      while (nth < there.length && (there[nth] ?? 0) < expected) nth++;
      looked.set(hash, nth + 1);
      const place = there[nth];
      if (place === undefined) continue;
      used.add(place);
      expected = place + 1;
    }
    const fresh: Array<number> = [];
    for (let index = from; index < sent.length;) {
      const { hash = "", isAppended = false, isPrompt = false, units = 0 } = sent[index] ?? {};
      const candidates = (places.get(hash) ?? []).filter((at) => !used.has(at)).slice(-mostPlaces);
      const runs = candidates.map((at) => runAt(at, index));
      const best = runs.toSorted((a, b) => b.length - a.length)[0] ?? [];
      const [first] = best;
      const isAtEdge = first === this.#places.length - 1 && (index === 0 || index === sent.length - 1);
      const isNext = expected >= 0 && first === free(expected, hash);
      const isAlone = best.length === 1 && (units >= leastAloneUnits || isAtEdge || isNext);
      if (best.length > 1 || isAlone || isAppended) {
        for (const place of best) used.add(place);
        expected = (best.at(-1) ?? -2) + 1;
        index += Math.max(best.length, 1);
        continue;
      }
      fresh.push(index++);
      // Another prompt in the place of the old one says nothing of what comes after.
      if (!isPrompt) expected = -1;
    }
    return { fresh, used };
  }

  /** Of the prompts only the newest counts: those before were replaced before. */
  #changeOf(options: {
    readonly sent: ReadonlyArray<Sent>;
    readonly fresh: ReadonlyArray<number>;
    readonly used: ReadonlySet<number>;
  }): ConversationDiff | undefined {
    const { sent, used } = options;
    const fresh = new Set(options.fresh);
    const prompt = this.#places.findLastIndex(({ isPrompt }) => isPrompt);
    const isLeftOut = ({ isPrompt }: Place, at: number) => !used.has(at) && (!isPrompt || at === prompt);
    const omitted = this.#places.filter(isLeftOut).length;
    if (omitted === 0) return undefined;
    // New messages that something old comes after stand in the place of what is missing.
    const lastOld = sent.findLastIndex((_, index) => !fresh.has(index));
    const inserted = options.fresh.filter((index) => index < lastOld).length;
    const goesOnFromEnd = used.has(this.#places.findLastIndex(({ isPrompt }) => !isPrompt));
    if (inserted === 0 && goesOnFromEnd) return { change: "truncated", omitted };
    return { change: inserted > 0 && omitted > inserted ? "compacted" : "edited", omitted };
  }
}
