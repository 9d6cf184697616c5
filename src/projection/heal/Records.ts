/**
 * Records that a heal writes where the old stream has none to copy: from the ledger, in place of what is lost, and of
 * the heal itself.
 *
 * Room: projection.
 */
import type { LogEntry, NewEvent } from "../../domain/Event.ts";
import { isMisfit } from "../../domain/Event.ts";
import * as EventId from "../../domain/EventId.ts";
import { type Sequence, storeRecord } from "../../domain/History.ts";
import type { EventLost, Healed } from "../../domain/StoreEvents.ts";
import type { BlockRecord } from "../../log/blocks/BlockFile.ts";
import { bodyOf, type Headers, headersOf, storedOf } from "../../log/Envelope.ts";
import { subjectOf } from "../../log/Subject.ts";

const millisecond = 1_000_000n;

/** Headers as they stand in a stream's files. */
const headerBlock = (headers: Headers): Uint8Array => {
  let text = "";
  for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
  return text === "" ? new Uint8Array() : Buffer.from(`NATS/1.0\r\n${text}\r\n`, "utf8");
};

/**
 * A millisecond as nanoseconds, not before `after` where that is the same millisecond: the ledger keeps no nanoseconds,
 * and times in a stream never go back.
 */
const nanosOf = (millis: number, after: bigint): bigint => {
  const nanos = BigInt(Math.trunc(millis)) * millisecond;
  return after > nanos && after - nanos < millisecond ? after : nanos;
};

/** A record as the ledger has it. The server's memory of ids is made of `Nats-Msg-Id`. */
export const ofLedger = (entry: LogEntry, sequence: Sequence, after: bigint): BlockRecord => {
  const { body, headers, subject } = storedOf(entry);
  const id = headers["ce-id"];
  const withId = isMisfit(entry) || id === undefined ? headers : { ...headers, "Nats-Msg-Id": id };
  return { sequence, nanos: nanosOf(entry.recordedAt, after), subject, headers: headerBlock(withId), body };
};

const ofStore = (event: NewEvent, sequence: Sequence, nanos: bigint): BlockRecord => ({
  sequence,
  nanos,
  subject: subjectOf(storeRecord),
  headers: headerBlock({ ...headersOf(event, storeRecord), "Nats-Msg-Id": event.id }),
  body: bodyOf(event),
});

/** Source of these events. */
const source = "recollect/heal";

/** Stands at the place of an event that both copies have lost. `name` is the heal's. */
export const ofLost = (options: {
  readonly name: string;
  readonly sequence: Sequence;
  readonly after: bigint;
  readonly now: number;
}): BlockRecord => {
  const { after, name, now, sequence } = options;
  const data: typeof EventLost.Type = { sequence, reason: "neither the stream nor the ledger has it any more" };
  const event: NewEvent = {
    id: EventId.fromContent("recollect.event_lost", name, String(sequence)),
    type: "recollect.event_lost",
    schemaVersion: 1,
    source,
    occurredAt: now,
    body: JSON.stringify(data),
  };
  // It is not known when the lost event came: not before the one in front of it.
  return ofStore(event, sequence, after === 0n ? BigInt(now) * millisecond : after);
};

/** The heal itself: the last event of what it makes. */
export const ofHeal = (options: {
  readonly name: string;
  readonly sequence: Sequence;
  readonly after: bigint;
  readonly now: number;
  readonly actor: string | undefined;
  readonly data: Healed;
}): BlockRecord => {
  const { actor, after, data, name, now, sequence } = options;
  const event: NewEvent = {
    id: EventId.fromContent("recollect.healed", name),
    type: "recollect.healed",
    schemaVersion: 1,
    source,
    actor,
    occurredAt: now,
    body: JSON.stringify(data),
  };
  const nanos = BigInt(now) * millisecond;
  return ofStore(event, sequence, nanos > after ? nanos : after);
};
