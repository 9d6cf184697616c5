/**
 * Appends into one write, and the handling of each refusal by the server.
 *
 * Room: log.
 *
 * The server helps with two things. An expected sequence protects for ever, but its refusal does not tell a conflict
 * from our own lost acknowledgement, and one replica checks it before message ids while three check it after. The
 * memory of message ids protects within a window, and not after a restore. So every refusal is settled by looking
 * into the history for the ids themselves.
 *
 * A refused group says nothing of the one append that was at fault. Those that may be are settled each alone, as if
 * they had never been in a group; the rest goes out again.
 */
import { Effect } from "effect";
import { isDerived } from "../../domain/EventId.ts";
import type { Sequence } from "../../domain/History.ts";
import { isSameEvent, otherContent } from "./AppendCheck.ts";
import { type Outcome, send } from "./AtomicBatchNats.ts";
import { elapsed } from "../connection/Elapsed.ts";
import { type AppendError, AppendRefused, isQuota, SequenceConflict } from "../EventLog.ts";
import type { StoredMessage } from "../Envelope.ts";
import { catchUp, findIds, idOf, isProtected, presence, recall, type Writer } from "./IdSearchNats.ts";
import { awaitLink, retryPauseMillis, unanswered, unavailable } from "../connection/PatienceNats.ts";
import type { Part, PendingAppend } from "./WaitingAppends.ts";

/**
 * Budget of an append, milliseconds, in attempts' worth of time. One replica answers or is away: 5 s. Three may be electing a
 * leader, which takes 4 to 9 s: 15 s.
 */
export const budgetMillis = ({ facts, publisher }: Writer): number =>
  (facts().replicas > 1 ? 6 : 2) * publisher.timeoutMillis;
/** Rounds in which the answer "this id is known" is doubted before it is believed: three replicas may have it in flight. */
const knownRounds = 6;

const conflict = ({ checked }: Part, expected: Sequence, actual: Sequence) =>
  new SequenceConflict({ history: checked.append.history, expected, actual });

const usedElsewhere = ({ checked }: Part) =>
  new AppendRefused({
    reason: `an id of this append (${checked.wires
      .map(({ id }) => id)
      .slice(0, 3)
      .join(", ")}) belongs to another event already`,
    hint: "An event id is unique for ever, over all histories. Give this event one of its own.",
    takenId: checked.wires[0]?.id ?? "",
  });

/** Events that are compared at once with what stands under their ids. */
const comparedAtOnce = 32;

/** All of an append is there: a duplicate, where what is there says the same. */
const settleThere = Effect.fnUntraced(function* (writer: Writer, part: Part, ids: ReadonlyMap<string, Sequence>) {
  const { wires } = part.checked;
  const given = wires.filter(({ id }) => !isDerived(id));
  yield* Effect.forEach(
    given,
    (wire) =>
      Effect.gen(function* () {
        const stored = yield* writer.read.at(ids.get(wire.id) ?? 0);
        if (stored !== undefined && !isSameEvent(wire, stored)) return yield* otherContent(wire.id, stored.sequence);
      }),
    { concurrency: comparedAtOnce, discard: true },
  );
  part.result = { sequence: presence(part.checked, ids).sequence, duplicate: true };
});

/** After a refusal, for a writer that said what it expects: conflict, duplicate, or another attempt. */
const settleExpected = Effect.fnUntraced(function* (
  writer: Writer,
  part: Part,
  expected: Sequence,
  actual: Sequence | undefined,
) {
  const { subject } = part.checked;
  const { events, ids, upTo } = yield* findIds(writer, part.checked, { after: expected });
  const there = presence(part.checked, ids);
  if (there.all) return yield* settleThere(writer, part, ids);
  if (upTo !== undefined) {
    if (events > 0) return yield* conflict(part, expected, upTo);
    // Only misfits came after it: no writer can see them, so none can expect them. The append stands after them.
    part.expected = upTo;
    return;
  }
  const last = actual ?? (yield* writer.read.last(subject))?.sequence ?? 0;
  if (last < expected) return yield* conflict(part, expected, last);
  part.expected = expected;
});

/** Looks for the ids in the history. Afterwards the append is a duplicate, or expects the sequence up to which they are not there. */
const lookUp = Effect.fnUntraced(function* (writer: Writer, part: Part, refused: boolean) {
  const { subject } = part.checked;
  let { fresh, known } = yield* recall(writer, part.checked);
  if (refused && !fresh) known = yield* catchUp(writer, part.checked, known);
  let there = presence(part.checked, known.ids);
  if (!there.none && !fresh) {
    // A remembered id may have been rolled back since: the answer "it is there" is given by the log alone.
    const stored = yield* writer.read.at(there.sequence);
    const isThere = stored?.subject === subject && known.ids.get(idOf(stored) ?? "") === there.sequence;
    if (!isThere) {
      writer.remembered.forget(subject);
      ({ fresh, known } = yield* recall(writer, part.checked));
      there = presence(part.checked, known.ids);
    }
  }
  if (there.all) yield* settleThere(writer, part, known.ids);
  else if (there.none) part.expected = known.upTo;
  else return yield* conflict(part, 0, known.upTo);
});

/** The server says that it has the id of a single event: is it that event? */
const confirmDuplicate = Effect.fnUntraced(function* (writer: Writer, part: Part, sequence: Sequence) {
  const stored = yield* writer.read.at(sequence);
  if (stored === undefined) {
    return yield* unavailable(
      `the server remembers the event at sequence ${sequence}, but holds nothing there`,
      "`recollect verify` says what the stream lost.",
    );
  }
  const [wire] = part.checked.wires;
  if (stored.subject !== part.checked.subject || wire === undefined || idOf(stored) !== wire.id)
    return yield* usedElsewhere(part);
  if (!isSameEvent(wire, stored)) return yield* otherContent(wire.id, sequence);
  part.result = { sequence, duplicate: true };
});

/** Sends all of these as one write. Never rejects. */
export const sendParts = (writer: Writer, parts: ReadonlyArray<Part>): Promise<Outcome> =>
  send(
    writer.publisher,
    parts.map(({ checked, expected }) => ({ subject: checked.subject, wires: checked.wires, expected })),
  );

/** These were written: the messages of one write have contiguous sequences that end at `last`. */
export const assign = (writer: Writer, parts: ReadonlyArray<Part>, last: Sequence): void => {
  let sequence = last - parts.reduce((sum, { checked }) => sum + checked.wires.length, 0);
  /** Ends of histories before the next part of this write that goes to them. */
  const ends = new Map<string, Sequence>();
  for (const part of parts) {
    const { subject, wires } = part.checked;
    const first = sequence + 1;
    sequence += wires.length;
    part.result = { sequence, duplicate: false };
    writer.read.wrote(subject, sequence);
    const before = ends.get(subject) ?? part.expected;
    ends.set(subject, sequence);
    const known = writer.remembered.get(subject);
    if (known === undefined || known.upTo !== before) continue;
    for (const [index, { id }] of wires.entries()) known.ids.set(id, first + index);
    known.upTo = sequence;
    writer.remembered.keep(subject, known);
  }
};

/** Settles every append that is still open; tells whether anything is different now. */
const settle = Effect.fnUntraced(function* (writer: Writer, open: ReadonlyArray<Part>, actual: Sequence | undefined) {
  let changed = false;
  for (const part of open) {
    const before = part.expected;
    const { expected } = part.checked.append;
    if (expected === "any") yield* lookUp(writer, part, true);
    else yield* settleExpected(writer, part, expected, open.length === 1 ? actual : undefined);
    changed ||= part.result !== undefined || part.expected !== before;
  }
  return changed;
});

/** The server insists that it knows an id that is not after the expected sequence: it is before it, or in another history. */
const settleKnown = Effect.fnUntraced(function* (writer: Writer, open: ReadonlyArray<Part>) {
  let found = false;
  for (const part of open) {
    const { ids } = yield* findIds(writer, part.checked, { after: 0 });
    const there = presence(part.checked, ids);
    if (there.none) continue;
    if (!there.all) return yield* usedElsewhere(part);
    yield* settleThere(writer, part, ids);
    found = true;
  }
  const [first] = open;
  if (!found && first !== undefined) return yield* usedElsewhere(first);
});

/** Recovers from an answer that is not success. Returns when another attempt makes sense; `patient` is whether there is time. */
const recover = Effect.fnUntraced(function* (
  writer: Writer,
  open: ReadonlyArray<Part>,
  options: {
    readonly outcome: Outcome;
    readonly attempt: number;
    readonly knownBefore: number;
    readonly patient: boolean;
  },
): Effect.fn.Return<void, AppendError> {
  const { attempt, knownBefore, outcome, patient } = options;
  const [first] = open;
  if (first === undefined) return;
  switch (outcome._tag) {
    case "Written":
      return yield* confirmDuplicate(writer, first, outcome.sequence);
    case "TooLarge":
      return yield* new AppendRefused({ reason: outcome.reason, hint: "Keep the large part with putBlob." });
    case "NotAllowed":
      return yield* new AppendRefused({
        reason: outcome.reason,
        hint: "Ask an operator of the store: recollect access list says who may what.",
      });
    case "Unable":
      return yield* unavailable(outcome.reason, outcome.hint);
    case "Conflict": {
      if (yield* settle(writer, open, outcome.actual)) return;
      if (!patient) return yield* unavailable("the history was being written by others all the time");
      break;
    }
    case "Known": {
      if (yield* settle(writer, open, undefined)) return;
      if (knownBefore >= knownRounds) return yield* settleKnown(writer, open);
      break;
    }
    case "Busy":
      if (!patient)
        return yield* unavailable(outcome.reason, "The server has more to write than it can; try again later.");
      break;
    case "NoAnswer":
      if (outcome.why === "nobody") writer.publisher.link.doubt();
      if (outcome.why === "failed" || (!patient && outcome.why !== "lost")) return yield* unanswered(outcome);
      if (outcome.why === "lost") yield* awaitLink(writer.publisher.link);
      break;
  }
  yield* Effect.sleep(retryPauseMillis(attempt));
});

/** Finds out what has to be known of an append before it is sent: whether it is in the log already. */
export const prepare = Effect.fnUntraced(function* (writer: Writer, { parts }: PendingAppend) {
  for (const part of parts) {
    if (part.checked.append.expected !== "any") continue;
    if (!(yield* isProtected(writer, part.checked))) yield* lookUp(writer, part, false);
  }
});

/** Time and patience of one write, over all of its attempts. */
const patienceOf = (writer: Writer) => {
  let started: number | undefined;
  return Effect.fnUntraced(function* (outcome: Outcome) {
    const now = yield* elapsed;
    started ??= outcome._tag === "NoAnswer" && outcome.why === "silent" ? now - writer.publisher.timeoutMillis : now;
    return now - started < budgetMillis(writer);
  });
};

/** Settles one append, beginning with the answer to the write that did not succeed. */
export const settleAlone = Effect.fnUntraced(function* (
  writer: Writer,
  append: PendingAppend,
  answered: Outcome,
): Effect.fn.Return<void, AppendError> {
  const isPatient = patienceOf(writer);
  let outcome = answered;
  let knownBefore = 0;
  for (let attempt = 0; ; attempt++) {
    const patient = yield* isPatient(outcome);
    yield* recover(writer, append.open, { outcome, attempt, knownBefore, patient });
    if (outcome._tag === "Known") knownBefore++;
    const { open } = append;
    if (open.length === 0 || append.isOver) return;
    outcome = yield* Effect.promise(() => sendParts(writer, open));
    if (outcome._tag !== "Written" || outcome.duplicate) continue;
    assign(writer, open, outcome.sequence);
    return;
  }
});

/** True when this part may be why a group was refused, by the last message of its history. */
const isSuspect = ({ checked, expected }: Part, end: StoredMessage | undefined): boolean => {
  if (expected !== undefined) return (end?.sequence ?? 0) !== expected;
  const id = end === undefined ? undefined : idOf(end);
  return id !== undefined && checked.wires.some((wire) => wire.id === id);
};

/** The appends of a refused group that may be at fault. All of them when that cannot be told. */
const suspectsOf = Effect.fnUntraced(function* (writer: Writer, group: ReadonlyArray<PendingAppend>) {
  const subjects = new Set(group.flatMap(({ open }) => open.map(({ checked }) => checked.subject)));
  const ends = yield* Effect.orElseSucceed(writer.read.ends([...subjects]), () => undefined);
  if (ends === undefined) return new Set(group);
  const suspects = new Set<PendingAppend>();
  const begun = new Set<string>();
  for (const append of group) {
    for (const part of append.open) {
      const { subject } = part.checked;
      // One that follows another in its history expects nothing of its own.
      if (!begun.has(subject) && isSuspect(part, ends.get(subject))) suspects.add(append);
      begun.add(subject);
    }
  }
  return suspects.size === 0 ? new Set(group) : suspects;
});

/** Rest of a group; the others are written. */
export interface Parted {
  /** To be written each by itself. */
  readonly alone: ReadonlyArray<PendingAppend>;
  /** To wait again, because an earlier append of their history is among `alone`. */
  readonly again: ReadonlyArray<PendingAppend>;
}

/** Takes the suspects out of a group, and with them what follows them in their histories. */
const part = (group: ReadonlyArray<PendingAppend>, suspects: ReadonlySet<PendingAppend>) => {
  const alone: Array<PendingAppend> = [];
  const again: Array<PendingAppend> = [];
  const rest: Array<PendingAppend> = [];
  const held = new Set<string>();
  for (const append of group) {
    const subjects = append.parts.map(({ checked }) => checked.subject);
    const follows = subjects.some((subject) => held.has(subject));
    (follows ? again : suspects.has(append) ? alone : rest).push(append);
    if (follows || suspects.has(append)) for (const subject of subjects) held.add(subject);
  }
  return { alone, again, rest };
};

/** Refusals that one append of a group may be at fault for. */
const partable: ReadonlySet<Outcome["_tag"]> = new Set(["Conflict", "Known", "TooLarge", "NotAllowed"]);

/**
 * The appends of a group that the user may not write, by the subject that the server names; all of them where a quota says so,
 * which may have room for some. Undefined: nothing of the kind.
 */
const deniedOf = (writer: Writer, group: ReadonlyArray<PendingAppend>, outcome: Outcome) => {
  const denied = outcome._tag === "NoAnswer" ? outcome.denied : undefined;
  if (denied === undefined) return undefined;
  if (isQuota(denied)) return new Set(group);
  const isDenied = ({ checked }: Part) => denied === `publish to ${writer.publisher.link.writes(checked.subject)}`;
  const found = group.filter(({ open }) => open.some(isDenied));
  return found.length === 0 ? undefined : new Set(found);
};

/** Settles a group, beginning with the answer to the write that did not succeed. When it fails, so do all of the group. */
export const settleGroup = Effect.fnUntraced(function* (
  writer: Writer,
  group: ReadonlyArray<PendingAppend>,
  answered: Outcome,
): Effect.fn.Return<Parted, AppendError> {
  const isPatient = patienceOf(writer);
  const alone: Array<PendingAppend> = [];
  const again: Array<PendingAppend> = [];
  let outcome = answered;
  let open = group;
  for (let attempt = 0; ; attempt++) {
    const patient = yield* isPatient(outcome);
    const denied = deniedOf(writer, open, outcome);
    if (denied !== undefined || partable.has(outcome._tag)) {
      const parted = part(open, denied ?? (yield* suspectsOf(writer, open)));
      alone.push(...parted.alone);
      again.push(...parted.again);
      open = parted.rest;
    } else {
      const parts = open.flatMap((append) => append.open);
      yield* recover(writer, parts, { outcome, attempt, knownBefore: 0, patient });
    }
    open = open.filter(({ isOver }) => !isOver);
    if (open.length < 2) return { alone: [...alone, ...open], again };
    const parts = open.flatMap((append) => append.open);
    outcome = yield* Effect.promise(() => sendParts(writer, parts));
    if (outcome._tag !== "Written" || outcome.duplicate) continue;
    assign(writer, parts, outcome.sequence);
    return { alone, again };
  }
});
