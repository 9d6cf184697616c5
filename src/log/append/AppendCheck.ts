/**
 * Checks of an append that need no log, the same for every layer.
 *
 * Room: log.
 *
 * A refused append never reached the log, and no retry can help it.
 */
import { Result } from "effect";
import type { NewEvent } from "../../domain/Event.ts";
import { isDerived } from "../../domain/EventId.ts";
import { isHistory, type Sequence } from "../../domain/History.ts";
import { fitsUtf8 } from "../../domain/Json.ts";
import { bodyOf, type Headers, headersOf } from "../Envelope.ts";
import { type Append, AppendRefused, maxEventsPerAppend } from "../EventLog.ts";
import { subjectOf } from "../Subject.ts";

/**
 * Most bytes of one event on the wire, headers included: the `max_payload` of our nats-server.conf. A server with a
 * lower limit lowers it further.
 */
export const maxEventBytes = 8 * 1024 * 1024;

/**
 * Most bytes of one append: twice the largest event. Between being sent and being committed an append lies in the
 * client's memory, and in the server's for every writer.
 */
export const maxAppendBytes = 2 * maxEventBytes;

/** An event id is a header, and lies in the server's memory for the duplicate window: a UUID has 36 bytes. */
export const maxEventIdBytes = 256;

/** Most bytes of the log's own headers on the wire: message id, expected sequence, batch id and number. */
const ownHeaderBytes = 512;

/** An event as it goes on the wire. */
export interface Wire {
  readonly id: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * True when a stored message may stand for an event of its id: it says the same. Times and other attributes may differ,
 * because who repeats a call says them anew; of an id that is derived nothing is compared.
 */
export const isSameEvent = (wire: Wire, stored: { readonly headers: Headers; readonly body: Uint8Array }): boolean =>
  isDerived(wire.id) ||
  (stored.headers[typeHeader] === wire.headers[typeHeader] && Buffer.compare(stored.body, wire.body) === 0);

const typeHeader = "ce-type";

/** The refusal of an event whose id stands for another one. */
export const otherContent = (id: string, sequence: Sequence): AppendRefused =>
  new AppendRefused({
    reason: `the event id ${id} stands at sequence ${sequence} of this history with other content`,
    hint: "The same event again has the same content. Give another event an id of its own.",
    takenId: id,
  });

/** An append that passed every check. */
export interface Checked {
  readonly append: Append;
  readonly subject: string;
  readonly wires: ReadonlyArray<Wire>;
  /** On the wire, headers included. */
  readonly bytes: number;
}

/** The first and the last millisecond that RFC 3339 can write: the years 0000 to 9999. */
const firstMillis = -62_167_219_200_000;
export const lastMillis = 253_402_300_799_999;
const extensionName = /^[a-z0-9]{1,64}$/;

/** Reason that an event can never be written, or undefined. Plain code: it runs for every event of an import. */
const problemOf = (event: NewEvent): string | undefined => {
  if (event.id === "") return "its id is empty";
  if (!fitsUtf8(event.id, maxEventIdBytes)) return `its id is longer than ${maxEventIdBytes} bytes`;
  if (event.type === "") return "its type is empty";
  if (event.source === "") return "its source is empty";
  if (!Number.isSafeInteger(event.schemaVersion) || event.schemaVersion < 1)
    return "its schemaVersion is no whole number from 1";
  if (!Number.isSafeInteger(event.occurredAt) || event.occurredAt < firstMillis || event.occurredAt > lastMillis) {
    return "its occurredAt is no epoch millisecond of the years 0000 to 9999";
  }
  const texts = [
    event.id,
    event.type,
    event.source,
    event.actor,
    event.session,
    event.correlationId,
    event.causationId,
    event.traceparent,
  ];
  for (const [name, value] of Object.entries(event.extensions ?? {})) {
    if (!extensionName.test(name))
      return `its extension ${JSON.stringify(name)} is not named by 1 to 64 lower-case letters and digits`;
    if (reserved.has(name)) return `its extension ${name} has the name of an attribute of its own`;
    texts.push(value);
  }
  if (texts.some((text) => text?.isWellFormed() === false))
    return "it has a lone surrogate in an attribute, which UTF-8 cannot hold";
  return undefined;
};

const reserved: ReadonlySet<string> = new Set(
  Object.keys(
    headersOf(
      {
        id: "x",
        type: "x",
        source: "x",
        schemaVersion: 1,
        occurredAt: 0,
        body: "",
        actor: "x",
        session: "x",
        correlationId: "x",
        causationId: "x",
        traceparent: "x",
      },
      { tenant: "x", kind: "thread", id: "x" },
    ),
  ).map((name) => name.replace(/^ce-/, "")),
);

const wireBytes = ({ headers, body }: Wire): number => {
  let bytes = body.byteLength + ownHeaderBytes;
  for (const name in headers) bytes += name.length + (headers[name] ?? "").length + 4;
  return bytes;
};

const refuse = (reason: string, hint?: string) =>
  Result.fail(new AppendRefused({ reason, ...(hint === undefined ? {} : { hint }) }));

const eventName = (event: NewEvent): string =>
  `the event ${JSON.stringify(event.id.slice(0, 64))} (${event.type.slice(0, 64)})`;

/**
 * Checks one append and encodes its events. `maxPayload` is the server's limit for one message, in bytes.
 *
 * Plain code, as everything an append passes before it waits for the disk: thousands a second come through here.
 */
export const checkAppend = (append: Append, maxPayload: number): Result.Result<Checked, AppendRefused> => {
  const { events, expected, history } = append;
  if (!isHistory(history)) {
    return refuse(
      "the history is not one: tenant and id are 1 to 200 bytes of well-formed text, kind is thread, task, session, source or config",
      "Shorten the id, for example to its SHA-256, and keep the long form in the event.",
    );
  }
  if (expected !== "any" && (!Number.isSafeInteger(expected) || expected < 0)) {
    return refuse(`the expected sequence ${expected} is no whole number from 0`);
  }
  if (events.length === 0) return refuse("an append without events");
  if (events.length > maxEventsPerAppend) return tooMany(events.length);
  const limit = Math.min(maxEventBytes, maxPayload);
  const ids = new Set<string>();
  const wires: Array<Wire> = [];
  let total = 0;
  for (const event of events) {
    const problem = problemOf(event);
    if (problem !== undefined) return refuse(`${eventName(event)} cannot be written: ${problem}`);
    if (ids.has(event.id))
      return refuse(`${eventName(event)} is twice in one append`, "Leave the second one out: it is the same event.");
    ids.add(event.id);
    const wire: Wire = { id: event.id, headers: headersOf(event, history), body: bodyOf(event) };
    const bytes = wireBytes(wire);
    if (bytes > limit) {
      return refuse(
        `${eventName(event)} has ${bytes} bytes; the log takes ${limit}`,
        "Keep the large part with putBlob and let the event refer to its sha256.",
      );
    }
    total += bytes;
    wires.push(wire);
  }
  if (total > maxAppendBytes) return tooLarge(total);
  return Result.succeed({ append, subject: subjectOf(history), wires, bytes: total });
};

const tooMany = (events: number) =>
  refuse(
    `${events} events in one append; the log takes ${maxEventsPerAppend} at once`,
    "Append them in several steps.",
  );

const tooLarge = (bytes: number) =>
  refuse(`${bytes} bytes in one append; the log takes ${maxAppendBytes} at once`, "Append fewer events at once.");

/** Checks several appends that are to be written together. */
export const checkAll = (
  appends: ReadonlyArray<Append>,
  maxPayload: number,
): Result.Result<ReadonlyArray<Checked>, AppendRefused> => {
  const [only, another] = appends;
  if (only === undefined) return refuse("an append without events");
  if (another === undefined) return Result.map(checkAppend(only, maxPayload), (one) => [one]);
  const count = appends.reduce((sum, { events }) => sum + events.length, 0);
  if (count > maxEventsPerAppend) return tooMany(count);
  const checked: Array<Checked> = [];
  const histories = new Set<string>();
  const ids = new Set<string>();
  let total = 0;
  for (const append of appends) {
    const one = checkAppend(append, maxPayload);
    if (Result.isFailure(one)) return Result.fail(one.failure);
    const { bytes, subject, wires } = one.success;
    if (histories.has(subject)) return refuse(`the ${append.history.kind} ${append.history.id} is twice in one append`);
    histories.add(subject);
    for (const { id } of wires) {
      if (ids.has(id)) return refuse(`the event id ${JSON.stringify(id)} is in two histories`);
      ids.add(id);
    }
    total += bytes;
    checked.push(one.success);
  }
  if (total > maxAppendBytes) return tooLarge(total);
  return Result.succeed(checked);
};
