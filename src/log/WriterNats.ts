/**
 * How an append becomes a write, and what is done when the server does not simply take it.
 *
 * Room: log. In: AtomicBatchNats, IdSearchNats. Out: EventLogNats.
 *
 * The server helps with two things. An expected sequence protects for ever, but its refusal does not tell a conflict
 * from our own lost acknowledgement, and one replica checks it before message ids while three check it after. The
 * memory of message ids protects within a window, and not after a restore. So every refusal is settled by looking
 * into the history for the ids themselves.
 */
import { Clock, Effect } from "effect";
import type { Sequence } from "../domain/History.ts";
import type { Checked } from "./AppendCheck.ts";
import { type Outcome, writeBatch, writeOne } from "./AtomicBatchNats.ts";
import { type AppendError, type Appended, AppendRefused, SequenceConflict } from "./EventLog.ts";
import { catchUp, findIds, idOf, isProtected, presence, recall, type Writer } from "./IdSearchNats.ts";
import { awaitLink, retryPauseMillis, unavailable } from "./PatienceNats.ts";

/** One append on its way. */
interface Pending {
  readonly checked: Checked;
  /** What the server is told to expect; undefined: nothing. */
  expected: Sequence | undefined;
  result: Appended | undefined;
}

/**
 * How long an append tries, in attempts' worth of time. One replica answers or is away: 5 s. Three may be electing a
 * leader, which takes 4 to 9 s: 15 s.
 */
const budgetMillis = ({ facts, publisher }: Writer) => (facts().replicas > 1 ? 6 : 2) * publisher.timeoutMillis;
/** How often the answer "this id is known" is doubted before it is believed: three replicas may have it in flight. */
const knownRounds = 6;

const conflict = ({ checked }: Pending, expected: Sequence, actual: Sequence) =>
  new SequenceConflict({ history: checked.append.history, expected, actual });

const usedElsewhere = ({ checked }: Pending) =>
  new AppendRefused({
    reason: `an id of this append (${checked.wires
      .map(({ id }) => id)
      .slice(0, 3)
      .join(", ")}) belongs to another event already`,
    hint: "An event id is unique for ever, over all histories. Give this event one of its own.",
  });

/** After a refusal, for a writer that said what it expects: conflict, duplicate, or another attempt. */
const settleExpected = Effect.fnUntraced(function* (
  writer: Writer,
  pending: Pending,
  expected: Sequence,
  actual: Sequence | undefined,
) {
  const { subject } = pending.checked;
  const { events, ids, upTo } = yield* findIds(writer, subject, { after: expected });
  const there = presence(pending.checked, ids);
  if (there.all) {
    pending.result = { sequence: there.sequence, duplicate: true };
    return;
  }
  if (upTo !== undefined) {
    if (events > 0) return yield* conflict(pending, expected, upTo);
    // Only misfits came after it: no writer can see them, so none can expect them. The append stands after them.
    pending.expected = upTo;
    return;
  }
  const last = actual ?? (yield* writer.read.last(subject))?.sequence ?? 0;
  if (last < expected) return yield* conflict(pending, expected, last);
  pending.expected = expected;
});

/** Looks for the ids in the history. Afterwards the append is a duplicate, or expects the sequence up to which they are not there. */
const lookUp = Effect.fnUntraced(function* (writer: Writer, pending: Pending, refused: boolean) {
  const { subject } = pending.checked;
  let { fresh, known } = yield* recall(writer, pending.checked);
  if (refused && !fresh) known = yield* catchUp(writer, pending.checked, known);
  let there = presence(pending.checked, known.ids);
  if (!there.none && !fresh) {
    // What is only remembered may have been rolled back since: the answer "it is there" is given by the log alone.
    const stored = yield* writer.read.at(there.sequence);
    if (stored?.subject !== subject) {
      writer.remembered.forget(subject);
      ({ fresh, known } = yield* recall(writer, pending.checked));
      there = presence(pending.checked, known.ids);
    }
  }
  if (there.all) pending.result = { sequence: there.sequence, duplicate: true };
  else if (there.none) pending.expected = known.upTo;
  else return yield* conflict(pending, 0, known.upTo);
});

/** The server says that it has the id of a single event: is it that event? */
const confirmDuplicate = Effect.fnUntraced(function* (writer: Writer, pending: Pending, sequence: Sequence) {
  const stored = yield* writer.read.at(sequence);
  if (stored === undefined) {
    return yield* unavailable(
      `the server remembers the event at sequence ${sequence}, but holds nothing there`,
      "`recollect verify` says what the stream lost.",
    );
  }
  const [wire] = pending.checked.wires;
  if (stored.subject !== pending.checked.subject || idOf(stored) !== wire?.id) return yield* usedElsewhere(pending);
  pending.result = { sequence, duplicate: true };
});

const send = (writer: Writer, open: ReadonlyArray<Pending>): Promise<Outcome> => {
  const [only] = open;
  const [wire, ...more] = only?.checked.wires ?? [];
  if (open.length === 1 && only !== undefined && wire !== undefined && more.length === 0) {
    return writeOne(writer.publisher, only.checked.subject, wire, only.expected);
  }
  return writeBatch(
    writer.publisher,
    open.map(({ checked, expected }) => ({ subject: checked.subject, wires: checked.wires, expected })),
  );
};

/** The messages of a batch have contiguous sequences that end at `last`. */
const assign = (writer: Writer, open: ReadonlyArray<Pending>, last: Sequence) => {
  let sequence = last - open.reduce((sum, { checked }) => sum + checked.wires.length, 0);
  for (const pending of open) {
    const { subject, wires } = pending.checked;
    const first = sequence + 1;
    sequence += wires.length;
    pending.result = { sequence, duplicate: false };
    writer.read.wrote(subject, sequence);
    const known = writer.remembered.get(subject);
    if (known === undefined || known.upTo !== pending.expected) continue;
    for (const [index, { id }] of wires.entries()) known.ids.set(id, first + index);
    known.upTo = sequence;
    writer.remembered.keep(subject, known);
  }
};

/** Settles every append that is still open; tells whether anything is different now. */
const settle = Effect.fnUntraced(function* (
  writer: Writer,
  open: ReadonlyArray<Pending>,
  actual: Sequence | undefined,
) {
  let changed = false;
  for (const pending of open) {
    const before = pending.expected;
    const { expected } = pending.checked.append;
    if (expected === "any") yield* lookUp(writer, pending, true);
    else yield* settleExpected(writer, pending, expected, open.length === 1 ? actual : undefined);
    changed ||= pending.result !== undefined || pending.expected !== before;
  }
  return changed;
});

/** The server insists that it knows an id that is not after the expected sequence: it is before it, or in another history. */
const settleKnown = Effect.fnUntraced(function* (writer: Writer, open: ReadonlyArray<Pending>) {
  let found = false;
  for (const pending of open) {
    const there = presence(pending.checked, (yield* findIds(writer, pending.checked.subject, { after: 0 })).ids);
    if (there.none) continue;
    if (!there.all) return yield* usedElsewhere(pending);
    pending.result = { sequence: there.sequence, duplicate: true };
    found = true;
  }
  const [first] = open;
  if (!found && first !== undefined) return yield* usedElsewhere(first);
});

/** What to do about an answer that is not success. Returns when another attempt makes sense; `patient` is whether there is time. */
const recover = Effect.fnUntraced(function* (
  writer: Writer,
  open: ReadonlyArray<Pending>,
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
      if (outcome.why === "failed" || (!patient && outcome.why !== "lost")) return yield* unavailable(outcome.reason);
      if (outcome.why === "lost") yield* awaitLink(writer.publisher.link);
      break;
  }
  yield* Effect.sleep(retryPauseMillis(attempt));
});

/** Writes all of these, or none of those that were not there already. */
export const write = Effect.fnUntraced(function* (
  writer: Writer,
  appends: ReadonlyArray<Checked>,
): Effect.fn.Return<ReadonlyArray<Appended>, AppendError> {
  const all = appends.map((checked): Pending => {
    const { expected } = checked.append;
    return { checked, expected: expected === "any" ? undefined : expected, result: undefined };
  });
  for (const pending of all) {
    if (pending.checked.append.expected !== "any") continue;
    if (!(yield* isProtected(writer, pending.checked))) yield* lookUp(writer, pending, false);
  }
  let started: number | undefined;
  let knownBefore = 0;
  for (let attempt = 0; ; attempt++) {
    const open = all.filter(({ result }) => result === undefined);
    if (open.length === 0) break;
    const outcome = yield* Effect.promise(() => send(writer, open));
    if (outcome._tag === "Written" && !outcome.duplicate) {
      assign(writer, open, outcome.sequence);
      break;
    }
    const now = yield* Clock.currentTimeMillis;
    started ??= outcome._tag === "NoAnswer" && outcome.why === "silent" ? now - writer.publisher.timeoutMillis : now;
    const patient = now - started < budgetMillis(writer);
    yield* recover(writer, open, { outcome, attempt, knownBefore, patient });
    if (outcome._tag === "Known") knownBefore++;
  }
  return all.flatMap(({ result }) => result ?? []);
});
