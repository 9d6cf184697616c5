/**
 * Messages as the client delivers them, turned into messages as the log stores them.
 *
 * Room: log.
 *
 * Plain functions: they run for every event that is read.
 */
import type { Msg } from "@nats-io/transport-node";
import type { Headers, StoredMessage } from "../Envelope.ts";

/** Headers that the server adds to the answer of a direct get; they are not part of what is stored. */
const answerHeader = {
  subject: "Nats-Subject",
  sequence: "Nats-Sequence",
  time: "Nats-Time-Stamp",
  pending: "Nats-Num-Pending",
} as const;
const answerHeaders: ReadonlySet<string> = new Set([
  ...Object.values(answerHeader),
  "Nats-Stream",
  "Nats-Last-Sequence",
]);

/** Place where the client keeps a message's bytes: the header block is the first `hdr` of them. Private, so it may be gone one day. */
interface RawMessage {
  readonly _rdata?: Uint8Array;
  readonly _msg?: { readonly hdr?: number };
}

/**
 * All headers, the first value of each, from the block `NATS/1.0\r\nname: value\r\n…\r\n\r\n`. Of those in `last` the last
 * value: the server adds its own behind what is stored. `repeated` is told of the others.
 */
export const parseHeaders = (
  block: string,
  last?: ReadonlySet<string>,
  repeated?: (name: string, value: string) => void,
): Record<string, string> => {
  const found: Record<string, string> = {};
  let start = block.indexOf("\r\n") + 2;
  while (start > 1) {
    const end = block.indexOf("\r\n", start);
    if (end <= start) break;
    const colon = block.indexOf(":", start);
    if (colon > start && colon < end) {
      const name = block.slice(start, colon);
      const before = found[name];
      if (before === undefined) found[name] = block.slice(colon + 1, end).trim();
      else if (last?.has(name) === true) {
        repeated?.(name, before);
        found[name] = block.slice(colon + 1, end).trim();
      }
    }
    start = end + 2;
  }
  return found;
};

/**
 * All headers, the first value of each.
 *
 * Decision: parsed here, because the client's own parser takes half of the time that reading an event costs (93,000
 * events/s with it, 131,000 without, where the bare client delivers 284,000). Where the bytes are not found it is used all the same.
 */
const allHeaders = (
  message: Msg,
  last?: ReadonlySet<string>,
  repeated?: (name: string, value: string) => void,
): Record<string, string> => {
  const { _msg, _rdata } = message as RawMessage;
  const length = _msg?.hdr;
  if (_rdata instanceof Uint8Array && typeof length === "number") {
    if (length <= 0) return {};
    return parseHeaders(Buffer.from(_rdata.buffer, _rdata.byteOffset, length).toString("utf8"), last, repeated);
  }
  const found: Record<string, string> = {};
  for (const [name, values] of message.headers ?? []) {
    const isLast = last?.has(name) === true;
    if (isLast && values.length > 1) repeated?.(name, values[0] ?? "");
    found[name] ??= (isLast ? values.at(-1) : values[0]) ?? "";
  }
  return found;
};

/** Answer of a direct get: the message, and how many of its subject follow it. */
export interface Got extends StoredMessage {
  readonly pending: number;
}

/**
 * The stored message in the answer to a direct get, or undefined when the answer is none. Headers that a stored message
 * has under the names of the answer's own are kept as the message's: `entryOf` knows it by them for none of ours.
 */
export const storedOfAnswer = (message: Msg): Got | undefined => {
  let stored: Record<string, string> | undefined;
  const all = allHeaders(message, answerHeaders, (name, value) => ((stored ??= {})[name] ??= value));
  const subject = all[answerHeader.subject];
  const sequence = Number(all[answerHeader.sequence]);
  if (subject === undefined || !Number.isSafeInteger(sequence)) return undefined;
  const headers: Record<string, string> = {};
  for (const name in all) if (!answerHeaders.has(name)) headers[name] = all[name] ?? "";
  if (stored !== undefined) Object.assign(headers, stored);
  return {
    sequence,
    subject,
    recordedAt: Date.parse(all[answerHeader.time] ?? ""),
    headers,
    body: message.data,
    pending: Number(all[answerHeader.pending] ?? 0),
  };
};

/** Content of the reply subject of a delivered message: `$JS.ACK.…`, in its old form and its new. */
export interface Delivery {
  /** Sequence in the stream. */
  readonly sequence: number;
  /** Number of the delivery by this consumer, from 1, without a hole. */
  readonly delivery: number;
  /** Time in the stream, nanoseconds since the epoch, as text: it is an identity and beyond a number's precision. */
  readonly nanos: string;
}

/** Tokens of `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<nanos>.<pending>`. */
const oldForm = { tokens: 9, sequence: 5 } as const;
/** The new form (nats-server 2.15, off by default) has a domain and an account hash before the stream. */
const newForm = { tokens: 11, sequence: 7 } as const;

export const deliveryOf = (reply: string): Delivery | undefined => {
  const tokens = reply.split(".");
  const at =
    tokens.length === oldForm.tokens
      ? oldForm.sequence
      : tokens.length >= newForm.tokens
        ? newForm.sequence
        : undefined;
  if (at === undefined || tokens[1] !== "ACK") return undefined;
  return { sequence: Number(tokens[at]), delivery: Number(tokens[at + 1]), nanos: tokens[at + 2] ?? "" };
};

/** The stored message that a consumer delivered. */
export const storedOfDelivery = (message: Msg, delivery: Delivery): StoredMessage => ({
  sequence: delivery.sequence,
  subject: message.subject,
  // Six digits less are milliseconds, cut and not rounded, as a direct get's time is.
  recordedAt: Number(delivery.nanos.slice(0, -6)),
  headers: allHeaders(message) satisfies Headers,
  body: message.data,
});
