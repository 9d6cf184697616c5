/**
 * Counts of the imported files' contents, through the interpreters.
 *
 * Room: edge.
 *
 * An entry is interpreted once in an import, however many copies of its file there are; messages count by their id,
 * calls by their key. A second witness's words (Codex's `exec --json`) count only where they are not told first-hand; what
 * an agent copied from another thread counts there, as it does in SQL (`Fact.ts`).
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

  has(key: string): boolean {
    return this.firstHand.get(key) !== 0 || (this.secondHand?.get(key) ?? 0) !== 0;
  }

  get size(): number {
    return this.firstHand.size > 0 ? this.firstHand.size : (this.secondHand?.size ?? 0);
  }

  get bytes(): number {
    return this.firstHand.bytes + (this.secondHand?.bytes ?? 0);
  }
}

/** Threads of this import, by what may stand in several of them: the first that told of it has it. */
export class Owners {
  private readonly owners = new IdTable();
  private threads = 0;

  /** A new thread: answers whether a name belongs to another one. */
  next(): (name: string) => boolean {
    const own = ++this.threads;
    return (name) => {
      const owner = this.owners.get(name);
      if (owner === 0) this.owners.set(name, own);
      return owner !== 0 && owner !== own;
    };
  }
}

/** A message that says which thread it was copied from. */
interface CopiedMessage {
  readonly from: string;
  readonly messageId: string;
}

/** The counts of one thread. */
export class ThreadTally {
  private readonly saidKeys = new Witnessed();
  private readonly calledKeys = new Witnessed();
  private readonly copied = new Map<string, CopiedMessage>();
  /** Messages that another thread of this import told first. */
  private readonly twice = new IdTable();
  private readonly isElsewhere: (name: string) => boolean;
  private carry: Carry = noCarry;

  constructor(owners: Owners) {
    this.isElsewhere = owners.next();
  }

  /** Entries without an interpreter, and lines that are not JSON. */
  unknown = 0;

  /** Messages of its own. */
  get messages(): number {
    return this.saidKeys.size;
  }

  get toolCalls(): number {
    return this.calledKeys.size;
  }

  get repeated(): number {
    return this.twice.size;
  }

  /** Messages that count in the thread they were copied from, where that holds them, and here where it does not. */
  get copies(): Iterable<CopiedMessage> {
    return this.copied.values();
  }

  get bytes(): number {
    return this.saidKeys.bytes + this.calledKeys.bytes + this.twice.bytes + this.copied.size * 200;
  }

  /** True when a message of this id was told here. */
  holds(messageId: string): boolean {
    return this.saidKeys.has(messageId) || this.twice.get(messageId) !== 0 || this.copied.has(messageId);
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
    if (fact._tag === "MessageSaid") this.said(fact);
    else if (fact._tag === "ToolWasCalled" && !this.isElsewhere(fact.copyOf ?? fact.callKey))
      this.calledKeys.add(fact.copyOf ?? fact.callKey, fact.secondHand === true);
  }

  private said({ copyOf, messageId, secondHand, twin }: Extract<Fact, { readonly _tag: "MessageSaid" }>): void {
    if (copyOf !== undefined) this.copied.set(messageId, { from: copyOf, messageId });
    else if (twin !== undefined && this.isElsewhere(twin.name)) this.twice.set(messageId, 1);
    else this.saidKeys.add(messageId, secondHand === true);
  }
}
