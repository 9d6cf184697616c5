/**
 * One stream out of its copies: what stands at each sequence, and whose word counts.
 *
 * Room: projection.
 *
 * The rule, for each sequence that the ledger has reached:
 * - what only one copy has whole is taken from it, and what both have alike from the stream;
 * - where they hold different events, the place belongs to the ledger's: it was acknowledged there first, and readers
 *   have seen that number. The stream's event is displaced, unless the ledger has it at another place;
 * - where they hold the same event with different contents, the ledger's counts if its digest holds, else the stream's;
 * - what neither has is an event that says so;
 * - where the stream gives the running hash that the ledger has noted, it is what was recorded, and the ledger's rows are
 *   made anew wherever they differ.
 *
 * Behind the ledger's end stand the stream's later events. They keep their numbers, and what was displaced goes behind
 * them; but where the stream was put back to an older state and written on (the last sequence that both have holds
 * different events), everything that the stream has gained since is displaced and goes behind the ledger's end, in the
 * order of the stream, each event once.
 */
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import type { Sequence } from "../../domain/History.ts";
import * as SequenceRanges from "../../domain/SequenceRanges.ts";
import { type BlockRecord, storedOf } from "../../log/blocks/BlockFile.ts";
import { chained, digestOf, equal, zeroChain } from "../../log/Digest.ts";
import { entryOf } from "../../log/Envelope.ts";

/** The ledger, as far as its rows can be read and are whole. */
export interface LedgerCopy {
  /** The last sequence that the ledger has reached, whether its row is whole or not. */
  readonly last: Sequence;
  /** Whole rows, both ends included. */
  readonly between: (from: Sequence, to: Sequence) => ReadonlyMap<Sequence, LogEntry>;
  /** True where a whole row has it. */
  readonly hasEvent: (id: string) => boolean;
  /** The running hash that it noted with its last event: what proves another copy of the same events. */
  readonly end?: { readonly sequence: Sequence; readonly chain: Uint8Array } | undefined;
}

/** Two witnesses as one: where both have an event, the first one's counts. */
export const joined = (first: LedgerCopy | undefined, second: LedgerCopy | undefined): LedgerCopy | undefined => {
  if (first === undefined || second === undefined) return first ?? second;
  return {
    last: Math.max(first.last, second.last),
    between: (from, to) => new Map([...second.between(from, to), ...first.between(from, to)]),
    hasEvent: (id) => first.hasEvent(id) || second.hasEvent(id),
  };
};

export interface Copies {
  /** Whole records, ascending; begins anew at each call. */
  readonly stream: () => Iterator<BlockRecord>;
  readonly ledger: LedgerCopy | undefined;
  /** The stream gives the running hash of the ledger: where they differ, the ledger's rows were changed. */
  readonly isStreamProven?: boolean;
}

/** True when the stream, event by event from the first, gives the running hash that the ledger has noted. */
export const provesStream = ({ ledger, stream }: Copies): boolean => {
  const end = ledger?.end;
  if (end === undefined || end.sequence === 0) return false;
  const records = stream();
  let chain: Uint8Array = zeroChain;
  for (let sequence = 1; sequence <= end.sequence; sequence++) {
    const next = records.next();
    if (next.done === true || next.value.sequence !== sequence) return false;
    const stored = storedOf(next.value);
    chain = chained(chain, { sequence, id: idOf(next.value), subject: stored.subject, digest: digestOf(stored) });
  }
  return equal(chain, end.chain);
};

/** Both copies at one sequence. */
export interface Place {
  readonly sequence: Sequence;
  readonly stream: BlockRecord | undefined;
  readonly ledger: LogEntry | undefined;
}

export type Verdict =
  | "same"
  | "onlyStream"
  | "onlyLedger"
  /** Different events. */
  | "exchanged"
  /** The same event with another content, or another time: the ledger's counts. */
  | "changedStream"
  | "changedLedger"
  | "neither";

const ledgerRows = 500;

/** Every sequence from 1 to the end of the longer copy, in order. */
export function* placesOf({ ledger, stream }: Copies): Generator<Place> {
  const records = stream();
  let next = records.next();
  let rows: ReadonlyMap<Sequence, LogEntry> = new Map();
  const last = ledger?.last ?? 0;
  for (let sequence = 1; sequence <= last || next.done !== true; sequence++) {
    if (sequence <= last && (sequence - 1) % ledgerRows === 0)
      rows = ledger?.between(sequence, Math.min(last, sequence + ledgerRows - 1)) ?? rows;
    if (sequence === last + 1) rows = new Map();
    const isHere = next.done !== true && next.value.sequence === sequence;
    yield { sequence, stream: isHere ? next.value : undefined, ledger: rows.get(sequence) };
    if (isHere) next = records.next();
  }
}

const sameMap = (a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean => {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
};

const sameBody = (a: LogEntry, b: LogEntry): boolean => Buffer.compare(a.body, b.body) === 0;

/** Attributes that are compared as they are; `undefined` and `null` are both absent. */
const attributes = [
  "type",
  "source",
  "schemaVersion",
  "occurredAt",
  "actor",
  "session",
  "correlationId",
  "causationId",
  "traceparent",
] as const;

/** True when two copies of one event, or of one misfit, are equal. */
const sameContent = (a: LogEntry, b: LogEntry): boolean => {
  if (isMisfit(a) || isMisfit(b))
    return isMisfit(a) && isMisfit(b) && a.subject === b.subject && sameMap(a.headers, b.headers) && sameBody(a, b);
  return (
    a.history.id === b.history.id &&
    a.history.kind === b.history.kind &&
    a.history.tenant === b.history.tenant &&
    attributes.every((name) => (a[name] ?? undefined) === (b[name] ?? undefined)) &&
    sameMap(a.extensions, b.extensions) &&
    sameBody(a, b)
  );
};

const sameEvent = (a: LogEntry, b: LogEntry): boolean =>
  isMisfit(a) || isMisfit(b) ? sameContent(a, b) : a.id === b.id;

/** Verdict on the copies of one place. */
export const judge = ({ ledger, stream }: Place): Verdict => {
  if (stream === undefined) return ledger === undefined ? "neither" : "onlyLedger";
  if (ledger === undefined) return "onlyStream";
  const stored = storedOf(stream);
  const entry = entryOf(stored);
  if (!sameEvent(entry, ledger)) return "exchanged";
  const isSame = ledger.digest === undefined ? sameContent(entry, ledger) : equal(ledger.digest, digestOf(stored));
  if (isSame) return entry.recordedAt === ledger.recordedAt ? "same" : "changedStream";
  return ledger.digest === undefined ? "changedLedger" : "changedStream";
};

export interface Range {
  readonly first: Sequence;
  readonly last: Sequence;
}

/** Sequences as ranges, added in ascending order. */
export class Ranges {
  readonly list: Array<{ first: Sequence; last: Sequence }> = [];
  count = 0;

  static of(list: ReadonlyArray<Range>): Ranges {
    const ranges = new Ranges();
    for (const range of list) ranges.list.push({ ...range });
    ranges.count = SequenceRanges.count(list);
    return ranges;
  }

  add(sequence: Sequence): void {
    const last = this.list.at(-1);
    if (last !== undefined && last.last === sequence - 1) last.last = sequence;
    else this.list.push({ first: sequence, last: sequence });
    this.count += 1;
  }

  /** True when any sequence from `first` to `last` is in them. */
  overlaps(first: Sequence, last: Sequence): boolean {
    return this.list.some((range) => range.first <= last && first <= range.last);
  }

  has(sequence: Sequence): boolean {
    let low = 0;
    let high = this.list.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const range = this.list[middle];
      if (range === undefined) return false;
      if (sequence < range.first) high = middle - 1;
      else if (sequence > range.last) low = middle + 1;
      else return true;
    }
    return false;
  }
}

/** Outcome of merging the copies. */
export interface Shape {
  readonly ledgerLast: Sequence;
  readonly streamLast: Sequence;
  /** The last sequence of what is made, without the event that tells of the heal. */
  readonly last: Sequence;
  /** By their numbers in what is made. */
  readonly same: Ranges;
  readonly fromStream: Ranges;
  readonly fromLedger: Ranges;
  /** Sequences at which the stream's content was another. */
  readonly changed: Ranges;
  readonly lost: Ranges;
  /** Sequences at which the ledger's row is missing, damaged or another: the read models are made anew. */
  readonly ledgerFaults: Ranges;
  /** Numbers in the old stream of events that get new numbers, in their order. */
  readonly displaced: Ranges;
  /** Numbers in the old stream of events that the ledger has at other places. */
  readonly doubled: Ranges;
  /** True when the stream was put back and written on. */
  readonly isShifted: boolean;
  readonly firstDifference: Sequence | undefined;
}

const idOf = (record: BlockRecord): string => {
  const entry = entryOf(storedOf(record));
  return isMisfit(entry) ? "" : entry.id;
};

/** Goes through everything once. Yields each sequence it has seen, so that the caller can say so and let others run. */
export function* survey(copies: Copies): Generator<Place, Shape> {
  const ledgerLast = copies.ledger?.last ?? 0;
  const ranges = () => new Ranges();
  const [same, fromStream, fromLedger, changed, lost, ledgerFaults] = [
    ranges(),
    ranges(),
    ranges(),
    ranges(),
    ranges(),
    ranges(),
  ] as const;
  /** Of the stream, since the first difference: alone at its place, or in the place of another. */
  const gained: Array<{ readonly sequence: Sequence; readonly isAlone: boolean; readonly isKnown: boolean }> = [];
  const tail = ranges();
  let firstDifference: Sequence | undefined;
  let isShifted = false;
  let streamLast = 0;
  const known = (record: BlockRecord): boolean => {
    const id = idOf(record);
    return id !== "" && copies.ledger?.hasEvent(id) === true;
  };
  for (const place of placesOf(copies)) {
    const { sequence, stream } = place;
    if (stream !== undefined) streamLast = sequence;
    if (sequence > ledgerLast) {
      if (stream !== undefined) {
        tail.add(sequence);
        if (isShifted) gained.push({ sequence, isAlone: true, isKnown: known(stream) });
      }
      yield place;
      continue;
    }
    const verdict = judge(place);
    if (copies.isStreamProven === true && stream !== undefined && verdict !== "same") {
      fromStream.add(sequence);
      ledgerFaults.add(sequence);
      yield place;
      continue;
    }
    if (verdict === "exchanged") firstDifference ??= sequence;
    if (verdict !== "onlyStream" && verdict !== "onlyLedger" && verdict !== "neither")
      isShifted = verdict === "exchanged";
    if (verdict === "same") same.add(sequence);
    else if (verdict === "onlyLedger" || verdict === "exchanged") fromLedger.add(sequence);
    else if (verdict === "changedStream") {
      changed.add(sequence);
      fromLedger.add(sequence);
    } else if (verdict === "changedLedger") {
      changed.add(sequence);
      fromStream.add(sequence);
      ledgerFaults.add(sequence);
    } else if (verdict === "neither") lost.add(sequence);
    if (
      stream !== undefined &&
      (verdict === "exchanged" || (verdict === "onlyStream" && firstDifference !== undefined))
    )
      gained.push({ sequence, isAlone: verdict === "onlyStream", isKnown: known(stream) });
    else if (verdict === "onlyStream") {
      fromStream.add(sequence);
      ledgerFaults.add(sequence);
    }
    yield place;
  }
  return settle({
    ledgerLast,
    streamLast,
    same,
    fromStream,
    fromLedger,
    changed,
    lost,
    ledgerFaults,
    gained,
    tail,
    isShifted,
    firstDifference,
  });
}

interface Surveyed extends Omit<Shape, "last" | "displaced" | "doubled"> {
  readonly gained: ReadonlyArray<{ readonly sequence: Sequence; readonly isAlone: boolean; readonly isKnown: boolean }>;
  readonly tail: Ranges;
}

/** The same places as one, as ranges all the way: a million lost events are one of them. */
const sorted = (...parts: ReadonlyArray<Ranges>): Ranges =>
  Ranges.of(SequenceRanges.union(...parts.map(({ list }) => list)));

/** True when the stream was written on is known at the end only: then it is decided what stays where it is. */
const settle = (surveyed: Surveyed): Shape => {
  const { gained, isShifted, ledgerLast, streamLast, tail } = surveyed;
  const displaced = new Ranges();
  const doubled = new Ranges();
  const [staying, left, holes] = [new Ranges(), new Ranges(), new Ranges()];
  for (const { isAlone, isKnown, sequence } of gained) {
    if (!isShifted && isAlone) staying.add(sequence);
    else {
      if (isAlone && sequence <= ledgerLast) left.add(sequence);
      (isKnown ? doubled : displaced).add(sequence);
    }
  }
  const inOrder = isShifted ? ledgerLast : Math.max(ledgerLast, streamLast);
  if (!isShifted) for (let at = ledgerLast + 1; at <= streamLast; at++) if (!tail.has(at)) holes.add(at);
  return {
    ...surveyed,
    fromStream: sorted(surveyed.fromStream, staying, ...(isShifted ? [] : [tail])),
    lost: sorted(surveyed.lost, left, holes),
    ledgerFaults: sorted(surveyed.ledgerFaults, staying, left, surveyed.lost),
    displaced,
    doubled,
    last: inOrder + displaced.count,
  };
};

/** One piece of the merge: a record of the stream, an entry of the ledger, or nothing that is left. */
export interface Piece {
  readonly sequence: Sequence;
  readonly from: "stream" | "ledger" | "lost";
  readonly record?: BlockRecord | undefined;
  readonly entry?: LogEntry | undefined;
}

const pieceAt = (place: Place, shape: Shape): Piece => {
  const { ledger, sequence, stream } = place;
  if (shape.lost.has(sequence)) return { sequence, from: "lost" };
  const isLedgers = shape.fromLedger.has(sequence);
  return isLedgers || stream === undefined
    ? { sequence, from: "ledger", entry: ledger }
    : { sequence, from: "stream", record: stream };
};

/** Rows of which none is written are not read again: they cost more than the stream's own records. */
const asked = ({ ledger, stream }: Copies, shape: Shape): Copies => ({
  stream,
  ledger:
    ledger === undefined
      ? undefined
      : {
          ...ledger,
          between: (from, to) => (shape.fromLedger.overlaps(from, to) ? ledger.between(from, to) : new Map()),
        },
});

/** Everything in its order, with the sequence it has from now on: 1 to `shape.last`. */
export function* merged(copies: Copies, shape: Shape): Generator<Piece> {
  const inOrder = shape.last - shape.displaced.count;
  for (const place of placesOf(asked(copies, shape))) {
    if (place.sequence > inOrder) break;
    yield pieceAt(place, shape);
  }
  if (shape.displaced.count === 0) return;
  let sequence = inOrder;
  const records = copies.stream();
  for (let next = records.next(); next.done !== true; next = records.next()) {
    if (!shape.displaced.has(next.value.sequence)) continue;
    sequence += 1;
    yield { sequence, from: "stream", record: next.value };
  }
}
