/**
 * Counts of the imported files' contents, through the interpreters.
 *
 * Room: edge.
 *
 * An entry is interpreted once in an import, however many copies of its file there are; messages count by their id,
 * calls by their key. What a second witness tells (Codex's `exec --json`) counts only where it is not told first-hand.
 *
 * Decision: it calls the format's interpreter with the value that was parsed for cutting, as `factsOf` would after
 * decoding the event: parsing every entry twice would halve the speed of an import.
 */
import type { Fact } from "../../domain/Fact.ts";
import { interpreters } from "../../domain/interpret/interpreters.ts";
import { type Carry, type Interpretation, noCarry } from "../../domain/interpret/Interpreter.ts";
import type { Entry } from "./Entry.ts";
import { IdTable } from "./IdTable.ts";

/** Distinct things told, and by which witness. */
class Witnessed {
  private readonly firstHand = new IdTable();
  private secondHand: IdTable | undefined;

  add(key: string, secondHand: boolean): void {
    if (!secondHand) this.firstHand.set(key, 1);
    else (this.secondHand ??= new IdTable()).set(key, 1);
  }

  get size(): number {
    return this.firstHand.size > 0 ? this.firstHand.size : (this.secondHand?.size ?? 0);
  }

  get bytes(): number {
    return this.firstHand.bytes + (this.secondHand?.bytes ?? 0);
  }
}

/** The counts of one thread. */
export class ThreadTally {
  private readonly saidKeys = new Witnessed();
  private readonly calledKeys = new Witnessed();
  private carry: Carry = noCarry;

  /** Entries without an interpreter, and lines that are not JSON. */
  unknown = 0;

  get messages(): number {
    return this.saidKeys.size;
  }

  get toolCalls(): number {
    return this.calledKeys.size;
  }

  get bytes(): number {
    return this.saidKeys.bytes + this.calledKeys.bytes;
  }

  /** Interprets an entry that was not seen before in this import. */
  see(entry: Entry, eventId: string, threadId: string): void {
    if (entry.place === "source") return;
    const interpreter = interpreters.get(entry.format);
    if (entry.value === undefined || interpreter === undefined) {
      this.unknown++;
      return;
    }
    const context = { threadId, eventId, occurredAt: entry.occurredAt, place: entry.place };
    let told: Interpretation;
    try {
      told = interpreter.interpret(entry.value, context, this.carry);
    } catch {
      // An older Node overflows its stack over values nested thousands deep. Counting must not stop an import.
      this.unknown++;
      return;
    }
    const { facts, carry } = told;
    if (carry !== undefined) this.carry = carry;
    if (facts.some(({ _tag }) => _tag === "NotUnderstood")) this.unknown++;
    for (const fact of facts) this.count(fact);
  }

  private count(fact: Fact): void {
    if (fact._tag === "MessageSaid") this.saidKeys.add(fact.messageId, fact.secondHand === true);
    else if (fact._tag === "ToolWasCalled") this.calledKeys.add(fact.callKey, fact.secondHand === true);
  }
}
