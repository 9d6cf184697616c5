/**
 * An interpreter: the meaning of one foreign format's entries.
 *
 * Room: domain.
 *
 * An interpreter is an upcaster for someone else's format: pure, applied on read, so a better one takes effect by
 * a rebuild. It never throws on any JSON; what it does not know it says with `NotUnderstood`.
 */
import type { Fact } from "../Fact.ts";
import type { JsonObject, JsonValue } from "../Json.ts";

/** Memory of an interpreter for one thread. Bounded by its format: a few short strings. */
export type Carry = Readonly<Record<string, JsonValue>>;

export const noCarry: Carry = {};

/** Context of the entry that an interpreter reads. */
export interface EntryContext {
  readonly threadId: string;
  /** The event's id: the message id of entries that have none of their own. */
  readonly eventId: string;
  readonly occurredAt: number;
  readonly place: "line" | "joined" | "frame" | "element";
}

export interface Interpretation {
  readonly facts: ReadonlyArray<Fact>;
  /** Memory from now on; absent when nothing changed. */
  readonly carry?: Carry | undefined;
}

export interface Interpreter {
  readonly format: string;
  readonly interpret: (entry: JsonValue, context: EntryContext, carry: Carry) => Interpretation;
  /** True where an entry is recorded when it happens: one that says no time has that of its event. */
  readonly isLive?: true;
  /** Facts of a file of this format beside its conversations, where that is more than a note. */
  readonly source?: (head: JsonObject) => ReadonlyArray<Fact>;
}
