/**
 * From events to facts: decode, upcast, and let the format's interpreter speak for foreign entries.
 *
 * Room: domain.
 *
 * Pure. State that an interpreter must remember from earlier entries of the same thread (Codex names its model once a
 * turn) is its `carry`: small, JSON, given back with the facts and kept by the fold's owner.
 *
 * A time is one that is said: our own publishers always do, a foreign entry where it has one itself. The time of
 * an event of a foreign entry without one is that of its neighbours or its file, and no fact's. One in the future of when
 * the log took the event counts as that moment.
 */
import { Result } from "effect";
import { canonicalFacts } from "./OwnEventFacts.ts";
import { type EventData, isVendorTypeName, type RecordedEvent } from "./Event.ts";
import type { Fact } from "./Fact.ts";
import { believed, timeOf } from "./EntryTimes.ts";
import { withAgent } from "./interpret/agents.ts";
import { type Carry, type EntryContext, type Interpretation, noCarry } from "./interpret/Interpreter.ts";
import { noted, parsed } from "./interpret/facts.ts";
import { interpreters } from "./interpret/interpreters.ts";
import { isObject, type JsonValue } from "./Json.ts";
import { decodeData, type Refusal } from "./Upcast.ts";
import { replaced } from "./WrongBytes.ts";

const notUnderstood = (what: string): Interpretation => ({ facts: [{ _tag: "NotUnderstood", what }] });

const isAhead = ({ at }: Fact, recordedAt: number): boolean => at !== undefined && believed(at, recordedAt) !== at;

/** Facts with the time of their event, where they have none of their own, and none in the future of its recording. */
const timed = (told: Interpretation, at: number | undefined, { recordedAt }: RecordedEvent): Interpretation => {
  if (at === undefined && !told.facts.some((fact) => isAhead(fact, recordedAt))) return told;
  const facts = told.facts.map((fact): Fact => {
    const time = fact.at ?? at;
    return time === undefined ? fact : { ...fact, at: believed(time, recordedAt) };
  });
  return { ...told, facts };
};

const sourceFacts = ({ entry, format }: EventData<"source.described">): ReadonlyArray<Fact> => {
  const said = isObject(entry) ? interpreters.get(format)?.source?.(entry) : undefined;
  return [...(said ?? []), { _tag: "Noted", kind: "source" }];
};

interface Readable {
  readonly entry: JsonValue;
  /** Recorded beside the facts of the entry. */
  readonly notes: ReadonlyArray<Fact>;
}

/** An entry whose bytes are JSON but for some that are not UTF-8: as its text shows it, and a note that says so. */
const withWrongBytes = (base64: string): Readable | undefined => {
  const { count, first, text } = replaced(Buffer.from(base64, "base64"));
  const entry = parsed(text);
  if (entry === undefined) return undefined;
  const which = count === 1 ? "1 character is" : `${count} characters are`;
  const words = `${which} not UTF-8 and shown as U+FFFD, from byte ${first} of the entry on. The bytes are kept as they came.`;
  return { entry, notes: count === 0 ? [] : [noted("encoding", words)] };
};

const readable = ({ base64, entry }: EventData<"thread.entry_recorded">): Readable | undefined =>
  base64 == null ? { entry: entry as JsonValue, notes: [] } : withWrongBytes(base64);

/** True when an event is a foreign entry: only those need what an interpreter remembers. */
export const isForeign = ({ type }: Pick<RecordedEvent, "type">): boolean => type === "thread.entry_recorded";

/**
 * The facts of one event, given what its thread's interpreter remembers.
 *
 * Unknown event types, newer schema versions and unknown entry formats are `NotUnderstood`, never a refusal;
 * a body that breaks the schema of a known type and version is a refusal that says where. An entry that lies in
 * the object store must be put in place first (`RecordedEvent.body` with `entry`), or it is `NotUnderstood`.
 */
export const factsOf = (event: RecordedEvent, carry: Carry = noCarry): Result.Result<Interpretation, Refusal> => {
  // A vendor's own state: whole in the ledger, without a meaning here.
  if (isVendorTypeName(event.type)) return Result.succeed(timed({ facts: [] }, event.occurredAt, event));
  return Result.map(decodeData(event), (decoded) => {
    if (decoded._tag === "Unknown") return timed(notUnderstood(decoded.what), event.occurredAt, event);
    if (decoded.type === "source.described")
      return timed({ facts: sourceFacts(decoded.data) }, timeOf(decoded.data.entry as JsonValue | undefined), event);
    if (decoded.type !== "thread.entry_recorded")
      return timed({ facts: canonicalFacts(decoded, event) }, event.occurredAt, event);
    const { data } = decoded;
    if (data.text != null) return notUnderstood("a line that is not JSON");
    if (data.entry === undefined && data.base64 == null) return notUnderstood("an entry in the object store");
    const interpreter = interpreters.get(data.format);
    if (interpreter === undefined) return notUnderstood(`format ${data.format}`);
    const found = readable(data);
    if (found === undefined) return notUnderstood("a line that is not JSON, nor UTF-8");
    const { entry, notes } = found;
    const context: EntryContext = {
      threadId: event.history.id,
      eventId: event.id,
      occurredAt: event.occurredAt,
      place: data.place ?? "line",
    };
    const told = withAgent(data.format, carry, interpreter.interpret(entry, context, carry));
    const at = timeOf(entry) ?? (interpreter.isLive === true ? event.occurredAt : undefined);
    return timed(notes.length === 0 ? told : { ...told, facts: [...told.facts, ...notes] }, at, event);
  });
};
