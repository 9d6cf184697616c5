/**
 * Is an event in its history already? Asked of what is remembered, then of the log, by the ids themselves.
 *
 * Room: log.
 */
import { Clock, Effect } from "effect";
import { isMisfit } from "../../domain/Event.ts";
import { timeOf } from "../../domain/EventId.ts";
import type { Sequence } from "../../domain/History.ts";
import type { Checked } from "./AppendCheck.ts";
import type { Publisher } from "./AtomicBatchNats.ts";
import { entryOf, type StoredMessage } from "../Envelope.ts";
import type { LogUnavailable } from "../EventLog.ts";
import type { HistoryIds, KnownIds } from "./HistoryIds.ts";
import type { From, HistoryRead } from "../read/HistoryReadNats.ts";
import type { StreamFacts } from "../connection/StreamNats.ts";

/** Parts of a writer. */
export interface Writer {
  readonly publisher: Publisher;
  readonly read: HistoryRead;
  readonly remembered: HistoryIds;
  readonly facts: () => StreamFacts;
  /** Learns the facts again. */
  readonly learn: Effect.Effect<StreamFacts, LogUnavailable>;
}

/** An id this young was made for the append at hand: the stream cannot have been restored in between. */
const justMadeMillis = 2_000;
/** Facts this young need not be learnt again to trust the server's memory of ids. */
const factsFreshMillis = 1_000;
/**
 * Longest time from an event's recording to its id's time, milliseconds: by a writer whose clock was ahead of the server's.
 * A day covers a clock that was set in the wrong zone.
 */
const clockMarginMillis = 24 * 3_600_000;
/** Ids found in a part of a history. `upTo` is the last message there, event or not; `events` counts the events. */
interface Found {
  readonly ids: Map<string, Sequence>;
  /** Ids that would be among them if they were there; undefined: all. */
  readonly covers: ReadonlySet<string> | undefined;
  readonly upTo: Sequence | undefined;
  readonly events: number;
}

export const idOf = (message: StoredMessage): string | undefined => {
  const entry = entryOf(message);
  return isMisfit(entry) ? undefined : entry.id;
};

/** Looks for the ids of an append. Those of others are found along with them, as long as they are not too many. */
export const findIds = Effect.fnUntraced(function* (writer: Writer, { subject, wires }: Checked, from: From) {
  const ids = new Map<string, Sequence>();
  let covers: ReadonlySet<string> | undefined;
  let upTo: Sequence | undefined;
  let events = 0;
  const pages = writer.read.pages(subject, from);
  for (;;) {
    const page = yield* pages;
    if (page.length === 0) break;
    for (const message of page) {
      upTo = message.sequence;
      const id = idOf(message);
      if (id === undefined) continue;
      events++;
      if (covers?.has(id) !== false && !ids.has(id)) ids.set(id, message.sequence);
    }
    if (covers === undefined && ids.size > writer.remembered.mostOfOne) {
      covers = new Set(wires.map(({ id }) => id));
      for (const id of ids.keys()) if (!covers.has(id)) ids.delete(id);
    }
  }
  return { ids, covers, upTo, events } satisfies Found;
});

/** Number of an append's ids that are there, and the place of the last one. */
export const presence = (checked: Checked, ids: ReadonlyMap<string, Sequence>) => {
  let present = 0;
  let sequence = 0;
  for (const { id } of checked.wires) {
    const at = ids.get(id);
    if (at === undefined) continue;
    present++;
    sequence = at;
  }
  return { all: present === checked.wires.length, none: present === 0, sequence };
};

/** Sequence after which a history must be known before these ids can be called new. */
const sinceOf = ({ wires }: Checked, now: number): number => {
  let since = Number.POSITIVE_INFINITY;
  for (const { id } of wires) {
    const made = timeOf(id);
    // An id from the future was made by a clock that cannot be trusted at all.
    if (made === undefined || made > now + justMadeMillis) return Number.NEGATIVE_INFINITY;
    since = Math.min(since, made - clockMarginMillis);
  }
  return since;
};

/** The sequence after which these ids stand, if anywhere, where the caller knows: of this very stream, and within it. */
const boundOf = Effect.fnUntraced(function* (writer: Writer, { append: { after } }: Checked) {
  if (after === undefined) return undefined;
  const now = yield* Clock.currentTimeMillis;
  const known = writer.facts();
  const isOld = now - known.learntAt > factsFreshMillis || known.lastSequence < after.sequence;
  const facts = isOld ? yield* writer.learn : known;
  return facts.created === after.created && facts.lastSequence >= after.sequence ? after.sequence : undefined;
});

/** True when what is remembered says whether these ids are there. */
const isKnown = ({ after, covers, since: knownSince }: KnownIds, { wires }: Checked, since: number, bound?: Sequence) =>
  (knownSince <= since || (bound !== undefined && after <= bound)) &&
  (covers === undefined || wires.every(({ id }) => covers.has(id)));

/** From where on a history must be known, and how that is remembered. */
const partOf = Effect.fnUntraced(function* (writer: Writer, checked: Checked) {
  const bound = yield* boundOf(writer, checked);
  const since = sinceOf(checked, yield* Clock.currentTimeMillis);
  const isEnough = (known: KnownIds) => isKnown(known, checked, since, bound);
  const from: From =
    bound !== undefined ? { after: bound } : since === Number.NEGATIVE_INFINITY ? { after: 0 } : { since };
  const part =
    "after" in from
      ? { since: from.after === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY, after: from.after }
      : { since, after: Number.POSITIVE_INFINITY };
  return { isEnough, from, part };
});

const isIn = (from: From, { recordedAt, sequence }: StoredMessage): boolean =>
  "after" in from ? sequence > from.after : recordedAt >= from.since;

/**
 * Ids of the history: from memory if that is enough, else from the log.
 *
 * Decision: from where the stream ended when the ids were made, where the caller knows it, and not from a day before:
 * when four processes had published 190,000 events into six histories within half an hour, what waited after an outage
 * was looked for among all of them for each batch, which takes longer than any caller waits for a batch.
 *
 * Where no end is known, a search takes as long as the history is long. It goes on when whoever asked has given up,
 * and who asks again waits for it: so it is read once, and not again from its beginning by each attempt.
 */
export const recall = (writer: Writer, checked: Checked) =>
  writer.remembered.inTurn(checked.subject)(recallAlone(writer, checked));

const recallAlone = Effect.fnUntraced(function* (writer: Writer, checked: Checked) {
  const { subject } = checked;
  const { from, isEnough, part } = yield* partOf(writer, checked);
  const known = writer.remembered.get(subject);
  if (known !== undefined && isEnough(known)) return { known, fresh: false };
  let { covers, ids, upTo } = yield* findIds(writer, checked, from);
  if (upTo === undefined) {
    const last = yield* writer.read.last(subject);
    // One that was written between the two questions has not been looked at.
    if (last !== undefined && isIn(from, last)) ({ covers, ids, upTo } = yield* findIds(writer, checked, from));
    upTo ??= last?.sequence;
  }
  const found: KnownIds = { ...part, ids, covers, upTo: upTo ?? 0 };
  writer.remembered.keep(subject, found);
  return { known: found, fresh: true };
});

/** Reads what came since; when nothing came, makes sure that the history still ends where we remember. */
export const catchUp = Effect.fnUntraced(function* (writer: Writer, checked: Checked, known: KnownIds) {
  const { subject } = checked;
  const { covers, ids, upTo } = yield* findIds(writer, checked, { after: known.upTo });
  if (upTo === undefined) {
    const last = (yield* writer.read.last(subject))?.sequence ?? 0;
    if (last >= known.upTo) return known;
    // The stream was rolled back or made anew: what we remember is of another time.
    writer.remembered.forget(subject);
    return (yield* recall(writer, checked)).known;
  }
  for (const [id, sequence] of ids) known.ids.set(id, sequence);
  known.upTo = upTo;
  known.covers ??= covers;
  writer.remembered.keep(subject, known);
  return known;
});

/** Time of the oldest of these ids; undefined when their times cannot be trusted. */
const madeAt = (checked: Checked, now: number): number | undefined => {
  let oldest = now;
  for (const { id } of checked.wires) {
    const made = timeOf(id);
    if (made === undefined || made > now + justMadeMillis) return undefined;
    oldest = Math.min(oldest, made);
  }
  return oldest;
};

/** True when the server surely remembers ids made at `made`, if they were ever appended. */
const remembers = (facts: StreamFacts, made: number, now: number): boolean => {
  if (now - made > facts.duplicateWindowMillis / 2) return false;
  if (Math.abs(facts.clockSkewMillis) > facts.duplicateWindowMillis / 4) return false;
  // A restored stream is younger than its oldest message, and its server remembers no id from before the restore.
  const restored = facts.messages > 0 && facts.firstAt < facts.created;
  return !restored || now + facts.clockSkewMillis - facts.created > facts.duplicateWindowMillis;
};

/** True when these ids were made just now, so that by what is known already the server remembers them. */
export const isJustMade = ({ facts }: Writer, checked: Checked, now: number): boolean => {
  const made = madeAt(checked, now);
  return made !== undefined && now - made <= justMadeMillis && remembers(facts(), made, now);
};

/**
 * Sequence after which these ids are known to be new to their history, by what is remembered of it: the append expects it,
 * and the server refuses when that is no longer true. Undefined: it has to be found out.
 */
export const newAfter = (writer: Writer, checked: Checked, now: number): Sequence | undefined => {
  if (checked.append.after !== undefined) return undefined;
  const made = madeAt(checked, now);
  if (made !== undefined && remembers(writer.facts(), made, now)) return undefined;
  const known = writer.remembered.get(checked.subject);
  if (known === undefined || !isKnown(known, checked, sinceOf(checked, now))) return undefined;
  return presence(checked, known.ids).none ? known.upTo : undefined;
};

/** True when the server surely remembers these ids if they were ever appended, so that no search is needed. */
export const isProtected = Effect.fnUntraced(function* (writer: Writer, checked: Checked) {
  const now = yield* Clock.currentTimeMillis;
  const made = madeAt(checked, now);
  let facts = writer.facts();
  if (made === undefined || !remembers(facts, made, now)) return false;
  if (now - made > justMadeMillis && now - facts.learntAt > factsFreshMillis) facts = yield* writer.learn;
  return remembers(facts, made, now);
});
