/**
 * From events to facts: decode, upcast, and let the format's interpreter speak for foreign entries.
 *
 * Room: domain.
 *
 * Pure. What an interpreter must remember from earlier entries of the same thread (Codex names its model once a
 * turn) is its `carry`: small, JSON, given back with the facts and kept by whoever folds.
 */
import { Result } from "effect";
import { canonicalFacts } from "./OwnEventFacts.ts";
import { isVendorTypeName, type RecordedEvent } from "./Event.ts";
import { type Carry, type Interpretation, noCarry } from "./interpret/Interpreter.ts";
import { interpreters } from "./interpret/interpreters.ts";
import type { JsonValue } from "./Json.ts";
import { decodeData, type Refusal } from "./Upcast.ts";

const notUnderstood = (what: string): Interpretation => ({ facts: [{ _tag: "NotUnderstood", what }] });

/** Whether an event is a foreign entry: nobody else needs what an interpreter remembers. */
export const isForeign = ({ type }: Pick<RecordedEvent, "type">): boolean => type === "thread.entry_recorded";

/**
 * The facts of one event, given what its thread's interpreter remembers.
 *
 * Unknown event types, newer schema versions and unknown entry formats are `NotUnderstood`, never a refusal;
 * a body that breaks the schema of a known type and version is a refusal that says where. An entry that lies in
 * the object store must be put in place first (`RecordedEvent.body` with `entry`), or it is `NotUnderstood`.
 */
export const factsOf = (event: RecordedEvent, carry: Carry = noCarry): Result.Result<Interpretation, Refusal> => {
  // Somebody else's state: whole in the ledger, and nothing to us.
  if (isVendorTypeName(event.type)) return Result.succeed({ facts: [] });
  return Result.map(decodeData(event), (decoded) => {
    if (decoded._tag === "Unknown") return notUnderstood(decoded.what);
    if (decoded.type !== "thread.entry_recorded") return { facts: canonicalFacts(decoded, event) };
    const { data } = decoded;
    if (data.text != null || data.base64 != null) return notUnderstood("a line that is not JSON");
    if (data.entry === undefined) return notUnderstood("an entry in the object store");
    const interpreter = interpreters.get(data.format);
    if (interpreter === undefined) return notUnderstood(`format ${data.format}`);
    return interpreter.interpret(
      data.entry as JsonValue,
      {
        threadId: event.history.id,
        eventId: event.id,
        occurredAt: event.occurredAt,
        place: data.place ?? "line",
      },
      carry,
    );
  });
};
