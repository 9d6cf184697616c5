/**
 * Index of what was said in a thread: finds the stretches of it that a text repeats.
 *
 * Room: domain.
 *
 * Texts are cut into blocks of 32 units that are found again at any place of another text by a rolling hash, and then
 * compared and extended as far as they agree. Memory and work are bounded: the oldest texts are forgotten first (a
 * client that sends its history again and again has them in its newest ones), and each place is compared with at most
 * eight candidates.
 */

/** A copy is found when it holds a whole block, so from twice this length on for certain. */
const blockUnits = 32;
/** Shorter copies cost as much as the reference that would replace them. */
export const leastCopyUnits = 48;
/** Most text that is remembered of one thread, in UTF-16 units. */
const mostUnits = 4 * 1024 * 1024;
/** A longer text is neither searched nor remembered: half of what is remembered in all. */
export const mostTextUnits = 2 * 1024 * 1024;
const mostCandidates = 8;

const factor = 0x01000193;
/** factor ** (blockUnits - 1), in 32 bits. */
const leading = Array.from({ length: blockUnits - 1 }).reduce<number>((power) => Math.imul(power, factor), 1);

/** A stretch of a text that stands in an earlier message. All in UTF-16 units. */
export interface Copy {
  readonly at: number;
  readonly length: number;
  readonly messageId: string;
  readonly offset: number;
}

interface Place {
  readonly messageId: string;
  readonly offset: number;
}

const hashAt = (text: string, at: number): number => {
  let hash = 0;
  for (let index = at; index < at + blockUnits; index++) hash = (Math.imul(hash, factor) + text.charCodeAt(index)) | 0;
  return hash;
};

const rolled = (hash: number, text: string, at: number): number =>
  (Math.imul((hash - Math.imul(text.charCodeAt(at), leading)) | 0, factor) + text.charCodeAt(at + blockUnits)) | 0;

export class TextIndex {
  /** In the order in which they were said. */
  readonly #texts = new Map<string, string>();
  /** First places of a block, one a message; the newest messages last. */
  readonly #blocks = new Map<number, Array<Place>>();
  #units = 0;

  /** Remembers a message's text; the same message again replaces it. */
  add(messageId: string, text: string): void {
    this.#forget(messageId);
    if (text.length < leastCopyUnits || text.length > mostTextUnits) return;
    this.#texts.set(messageId, text);
    this.#units += text.length;
    const seen = new Set<number>();
    for (let offset = 0; offset + blockUnits <= text.length; offset += blockUnits) {
      const hash = hashAt(text, offset);
      if (seen.has(hash)) continue;
      seen.add(hash);
      const places = (this.#blocks.get(hash) ?? []).filter((place) => this.#texts.has(place.messageId));
      places.push({ messageId, offset });
      this.#blocks.set(hash, places.slice(-mostCandidates));
    }
    for (const oldest of this.#texts.keys()) {
      if (this.#units <= mostUnits) break;
      this.#forget(oldest);
    }
    this.#sweep();
  }

  /** The stretches of a text that were said before, in order, none over another. */
  copies(text: string): ReadonlyArray<Copy> {
    if (text.length > mostTextUnits) return [];
    const found: Array<Copy> = [];
    let from = 0;
    let hash: number | undefined;
    for (let at = 0; at + blockUnits <= text.length;) {
      hash ??= hashAt(text, at);
      const copy = this.#longest(text, { at, from, hash });
      if (copy !== undefined) {
        found.push(copy);
        from = copy.at + copy.length;
        at = from;
        hash = undefined;
        continue;
      }
      hash = at + blockUnits < text.length ? rolled(hash, text, at) : undefined;
      at++;
    }
    return found;
  }

  #forget(messageId: string): void {
    this.#units -= this.#texts.get(messageId)?.length ?? 0;
    this.#texts.delete(messageId);
  }

  /** Places of forgotten texts go when there are twice as many as can be meant. */
  #sweep(): void {
    if (this.#blocks.size <= (2 * mostUnits) / blockUnits) return;
    for (const [hash, places] of this.#blocks) {
      if (places.every(({ messageId }) => !this.#texts.has(messageId))) this.#blocks.delete(hash);
    }
  }

  #longest(
    text: string,
    { at, from, hash }: { readonly at: number; readonly from: number; readonly hash: number },
  ): Copy | undefined {
    let best: Copy | undefined;
    for (const { messageId, offset } of (this.#blocks.get(hash) ?? []).toReversed()) {
      const source = this.#texts.get(messageId);
      if (source === undefined || !source.startsWith(text.slice(at, at + blockUnits), offset)) continue;
      let before = 0;
      while (
        at - before > from &&
        offset - before > 0 &&
        text.charCodeAt(at - before - 1) === source.charCodeAt(offset - before - 1)
      ) {
        before++;
      }
      let after = blockUnits;
      while (
        at + after < text.length &&
        offset + after < source.length &&
        text.charCodeAt(at + after) === source.charCodeAt(offset + after)
      ) {
        after++;
      }
      const length = before + after;
      if (length < leastCopyUnits || length <= (best?.length ?? 0)) continue;
      best = { at: at - before, length, messageId, offset: offset - before };
    }
    return best;
  }
}
