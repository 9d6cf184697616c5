/**
 * Deltas of an answer without its secrets, whatever a secret was cut into.
 *
 * Room: publish.
 */
import type { Redactor } from "../../domain/secret/RedactSecrets.ts";
import { SecretGate } from "../../domain/secret/SecretGate.ts";
import type { Delta } from "../../domain/thread/Draft.ts";

/** The part that a delta goes on with. */
const partOf = (delta: Delta): string => (delta.type === "tool_use" ? `call ${delta.callId}` : delta.type);

export class DeltaGate {
  readonly #redactor: Redactor | undefined;
  /** Calls are told in turns, so each part has a gate of its own. */
  readonly #gates = new Map<string, { readonly gate: SecretGate; last: Delta }>();

  /** Undefined: everything passes. */
  constructor(redactor: Redactor | undefined) {
    this.#redactor = redactor;
  }

  /** Adds a delta; returns those that may be told now. Words and thoughts end where another part begins; the arguments of a call at the end. */
  add(delta: Delta): ReadonlyArray<Delta> {
    if (this.#redactor === undefined) return [delta];
    const part = partOf(delta);
    const before = ["text", "thinking"].filter((one) => one !== part).flatMap((one) => this.#end(one));
    const held = this.#gates.get(part) ?? { gate: new SecretGate(this.#redactor), last: delta };
    held.last = delta;
    this.#gates.set(part, held);
    const text = held.gate.add(delta.text);
    // A call's first delta names it, also when nothing of its arguments is decided.
    return text === "" && delta.text !== "" && delta.type !== "tool_use" ? before : [...before, { ...delta, text }];
  }

  /** Nothing more comes. */
  end(): ReadonlyArray<Delta> {
    return [...this.#gates.keys()].flatMap((part) => this.#end(part));
  }

  #end(part: string): ReadonlyArray<Delta> {
    const held = this.#gates.get(part);
    this.#gates.delete(part);
    const text = held?.gate.end() ?? "";
    return held === undefined || text === "" ? [] : [{ ...held.last, text }];
  }
}
