/**
 * Writing to the stream: one message plainly, several as one atomic batch, and every answer as a value.
 *
 * Room: log.
 *
 * Why not the client's own batch: it drops the options of all but the first message and hides the server's error
 * (nats.js #434). The protocol is ADR-50, nats-server 2.12.
 */
import { MsgHdrsImpl, type NatsConnection as Client } from "@nats-io/transport-node";
import { randomBytes } from "node:crypto";
import type { Sequence } from "../../domain/History.ts";
import { quotaIn } from "../access/Admission.ts";
import type { Wire } from "./AppendCheck.ts";
import type { NoAnswer } from "../connection/RepliesNats.ts";
import type { Link } from "../connection/NatsConnectionNats.ts";
import { type ApiError, apiCode, ask, failed, isPlace } from "../connection/RequestNats.ts";

/** Outcome of a write. Only `Written` changed the stream; `NoAnswer` may have. */
export type Outcome =
  /** `sequence` is that of the last message; of a duplicate, the one it has had all along. */
  | { readonly _tag: "Written"; readonly sequence: Sequence; readonly duplicate: boolean }
  /** An expected sequence was wrong; `actual` where the server said it and the write was to one subject. */
  | { readonly _tag: "Conflict"; readonly actual?: Sequence }
  /** Some id of a batch is in the server's memory of ids. */
  | { readonly _tag: "Known" }
  /** Too much at once, or the same thing is in flight: later. */
  | { readonly _tag: "Busy"; readonly reason: string }
  | { readonly _tag: "TooLarge"; readonly reason: string }
  /** Never, whoever asks again. */
  | { readonly _tag: "NotAllowed"; readonly reason: string }
  /** The server will not, and not soon: no space, not configured for it. */
  | { readonly _tag: "Unable"; readonly reason: string; readonly hint: string }
  | NoAnswer;

/**
 * Messages to one subject, in order. `expected` is checked by the server; undefined lets everything pass. When a batch
 * has several writes to one subject, what the first of them expects counts.
 */
export interface Write {
  readonly subject: string;
  readonly wires: ReadonlyArray<Wire>;
  readonly expected: Sequence | undefined;
}

/** Names on the wire (nats-server, "Headers"). */
const header = {
  messageId: "Nats-Msg-Id",
  expected: "Nats-Expected-Last-Subject-Sequence",
  batchId: "Nats-Batch-Id",
  batchSequence: "Nats-Batch-Sequence",
  batchCommit: "Nats-Batch-Commit",
} as const;

/**
 * Headers as one text. The client's own way, a map of lists that is checked and joined again for every message, takes
 * 2.6 µs for each against 1.0: `AppendCheck` and `Envelope` have made the checks.
 */
class HeaderBlock extends MsgHdrsImpl {
  readonly #text: string;

  constructor(wire: Wire, own: string) {
    super();
    let text = "NATS/1.0\r\n";
    for (const name in wire.headers) text += `${name}: ${wire.headers[name]}\r\n`;
    this.#text = `${text}${header.messageId}: ${wire.headers["ce-id"] ?? wire.id}\r\n${own}\r\n`;
  }

  /** Header values are ASCII on the wire: `Envelope` encodes what is not. */
  override encode(): Uint8Array {
    return Buffer.from(this.#text, "latin1");
  }
}

const line = (name: string, value: string | number): string => `${name}: ${value}\r\n`;

const expectation = (expected: Sequence | undefined): string =>
  expected === undefined ? "" : line(header.expected, expected);

interface PubAck {
  readonly seq?: unknown;
  readonly duplicate?: boolean;
  readonly error?: ApiError;
}

const noAcknowledgement = (text: string): Outcome => ({
  _tag: "Unable",
  reason: `the answer is no acknowledgement of a stream: ${text.slice(0, 200)}`,
  hint: "Is this address a nats-server, and does no other program answer on the subjects of the store?",
});

const outcomeOf = (ack: PubAck): Outcome => {
  const { error } = ack;
  if (error === undefined && isPlace(ack.seq))
    return { _tag: "Written", sequence: ack.seq, duplicate: ack.duplicate === true };
  // Another program that listens to the subject may answer before the stream does.
  if (error === undefined) return noAcknowledgement(JSON.stringify(ack));
  const reason = error.description;
  switch (error.err_code) {
    case apiCode.wrongLastSequence: {
      const actual = /(\d+)$/.exec(reason)?.[1];
      return actual === undefined ? { _tag: "Conflict" } : { _tag: "Conflict", actual: Number(actual) };
    }
    case apiCode.wrongLastSequenceInFlight:
      return { _tag: "Conflict" };
    case apiCode.batchDuplicate:
      return { _tag: "Known" };
    case apiCode.duplicateInFlight:
      return { _tag: "Busy", reason };
    case apiCode.notAllowed:
      return { _tag: "NotAllowed", reason };
    case apiCode.quota:
      return { _tag: "NoAnswer", why: "failed", reason, denied: quotaIn(reason) };
    case apiCode.messageTooLarge:
      return { _tag: "TooLarge", reason };
    case apiCode.noSpace:
    case apiCode.storeFailed:
      return {
        _tag: "Unable",
        reason,
        hint: "The server's disk or its limits are full: free space, or raise max_file_store and the stream's max_bytes.",
      };
    case apiCode.batchIncomplete:
      return {
        _tag: "Unable",
        reason,
        hint: "A message of it came late or not at all. Several daemons on one server take the batches of tenants apart: let one serve them.",
      };
    case apiCode.batchDisabled:
      return {
        _tag: "Unable",
        reason,
        hint: "Somebody turned allow_atomic off for the stream; restart this program to turn it on again.",
      };
  }
  // 429 too many requests or batches in flight; 503 a cluster without a leader.
  if (error.code === 429 || error.code === 503) return { _tag: "Busy", reason };
  return {
    _tag: "Unable",
    reason: `${reason} (${error.err_code})`,
    hint: "This is not expected; the server's log may say more.",
  };
};

const parse = (text: string): Outcome => {
  try {
    return outcomeOf(JSON.parse(text));
  } catch {
    return noAcknowledgement(text);
  }
};

export interface Publisher {
  readonly nc: Client;
  readonly link: Link;
  readonly timeoutMillis: number;
}

/** Writes one message. */
const writeOne = async (
  publisher: Publisher,
  subject: string,
  wire: Wire,
  expected: Sequence | undefined,
): Promise<Outcome> => {
  const headers = new HeaderBlock(wire, expectation(expected));
  const answer = await ask(publisher.nc, publisher.link, {
    subject: publisher.link.writes(subject),
    payload: wire.body,
    headers,
    timeoutMillis: publisher.timeoutMillis,
  });
  return answer._tag === "Answer" ? parse(answer.message.string()) : answer;
};

/**
 * Writes 2 to 1,000 messages, all or none.
 *
 * The first message must be a request: that is how the server says that it refuses to begin. Its answer is not waited
 * for before the rest is sent, which saves a round trip; when the beginning is refused, so is the commit.
 */
const writeBatch = async (publisher: Publisher, writes: ReadonlyArray<Write>): Promise<Outcome> => {
  const also = new Set(writes.map(({ subject }) => publisher.link.writes(subject)));
  let denied: NoAnswer | undefined;
  const onNoAnswer = (why: NoAnswer) => (denied ??= why.denied === undefined ? undefined : why);
  const watching = publisher.link.replies.open({ subject: "", also, onMessage: () => undefined, onNoAnswer });
  try {
    const outcome = await sendBatch(publisher, writes);
    // The client tells of a permission a turn later than of the answer that came behind it.
    if (outcome._tag === "Unable") await new Promise((resolve) => setImmediate(resolve));
    return outcome._tag === "Unable" && denied !== undefined ? denied : outcome;
  } finally {
    watching.close();
  }
};

/** The server drops a message that this user may not publish, and says of the batch only that it is incomplete. */
const sendBatch = async (publisher: Publisher, writes: ReadonlyArray<Write>): Promise<Outcome> => {
  const { link, nc, timeoutMillis } = publisher;
  // Eight characters, because it stays in each stored message: told from the 50 batches at most that are in flight with it.
  const batchId = randomBytes(6).toString("base64url");
  const total = writes.reduce((sum, { wires }) => sum + wires.length, 0);
  // Only the first message of a subject may expect: after it, the batch itself has changed the subject (10164).
  const begun = new Set<string>();
  let number = 0;
  let first: ReturnType<typeof ask> | undefined;
  let last: ReturnType<typeof ask> | undefined;
  for (const { expected, subject, wires } of writes) {
    for (const wire of wires) {
      number++;
      let own = line(header.batchId, batchId) + line(header.batchSequence, number);
      if (number === total) own += line(header.batchCommit, 1);
      if (!begun.has(subject)) own += expectation(expected);
      begun.add(subject);
      const headers = new HeaderBlock(wire, own);
      const to = link.writes(subject);
      const question = { subject: to, payload: wire.body, headers, timeoutMillis };
      if (number === total) last = ask(nc, link, question);
      else if (number === 1) first = ask(nc, link, question);
      else if (link.connected) nc.publish(to, wire.body, { headers });
    }
  }
  const [opened, committed] = await Promise.all([first, last]);
  if (opened?._tag === "Answer" && opened.message.data.length > 0) {
    const refused = parse(opened.message.string());
    if (refused._tag !== "Written") return refused;
  }
  if (committed === undefined)
    return { _tag: "Unable", reason: "an empty batch", hint: "A batch has at least two events." };
  return committed._tag === "Answer" ? parse(committed.message.string()) : committed;
};

/** Writes 1 to 1,000 messages, all or none: one plainly, several as a batch. Never rejects. */
export const send = async (publisher: Publisher, writes: ReadonlyArray<Write>): Promise<Outcome> => {
  const [only, another] = writes;
  const [wire, more] = only?.wires ?? [];
  const isOne = only !== undefined && wire !== undefined && another === undefined && more === undefined;
  try {
    return await (isOne ? writeOne(publisher, only.subject, wire, only.expected) : writeBatch(publisher, writes));
  } catch (error) {
    // The client throws when it was closed: nothing of a batch was committed then.
    return failed(error);
  }
};
