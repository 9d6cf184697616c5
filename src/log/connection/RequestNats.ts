/**
 * One question to the server and its answer, with every way it can fail as a value.
 *
 * Room: log.
 *
 * Plain functions; their promises never reject.
 */
import type { Msg, MsgHdrs, NatsConnection as Client } from "@nats-io/transport-node";
import type { Address, NoAnswer } from "./RepliesNats.ts";
import type { Link } from "./LinkNats.ts";

export interface Answer {
  readonly _tag: "Answer";
  readonly message: Msg;
}

export interface Ask {
  readonly subject: string;
  readonly payload?: Uint8Array | string | undefined;
  readonly headers?: MsgHdrs | undefined;
  readonly timeoutMillis: number;
}

const nobody: NoAnswer = { _tag: "NoAnswer", why: "nobody", reason: "nobody serves the stream" };
const silent: NoAnswer = { _tag: "NoAnswer", why: "silent", reason: "no answer in time" };

/** The client throws when it was closed, and for what is larger than the server takes. */
export const failed = (error: unknown): NoAnswer => ({
  _tag: "NoAnswer",
  why: "failed",
  reason: error instanceof Error ? error.message : String(error),
});

/** The server's own answer without a responder: no body, and this status. */
const isNobody = (message: Msg): boolean => message.data.length === 0 && message.headers?.code === 503;

/** Asks, and stops waiting as soon as the connection is lost: the answer will never come. */
export const ask = (nc: Client, link: Link, question: Ask): Promise<Answer | NoAnswer> =>
  new Promise((resolve) => {
    if (!link.connected) {
      // The client would keep the question and drop it at the next dial.
      const denied = link.refused?.denied === undefined ? {} : { denied: link.refused.denied };
      resolve({ _tag: "NoAnswer", why: "lost", reason: link.refused?.message ?? "NATS is away", ...denied });
      return;
    }
    const { headers, payload, subject, timeoutMillis } = question;
    let address: Address | undefined;
    const finish = (answer: Answer | NoAnswer): void => {
      clearTimeout(timer);
      address?.close();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(silent), timeoutMillis);
    try {
      address = link.replies.open({
        subject,
        onMessage: (message) => finish(isNobody(message) ? nobody : { _tag: "Answer", message }),
        onNoAnswer: finish,
      });
      nc.publish(subject, payload, { reply: address.reply, ...(headers === undefined ? {} : { headers }) });
    } catch (error) {
      finish(failed(error));
    }
  });

/** An error as the server's JSON says it. */
export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** True for a sequence as a stream acknowledges a message with it: an answer without one stored nothing. */
export const isPlace = (seq: unknown): seq is number => Number.isSafeInteger(seq) && Number(seq) > 0;

/** The numbers of the server's errors that mean something to us (nats-server `errors.json`). */
export const apiCode = {
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  /** R3: something for this subject is in flight; the server does not say the number. */
  wrongLastSequenceInFlight: 10164,
  messageTooLarge: 10054,
  noSpace: 10047,
  storeFailed: 10077,
  /** JetStream is not available for the moment. */
  unavailable: 10008,
  batchDisabled: 10174,
  batchIncomplete: 10176,
  batchDuplicate: 10201,
  duplicateInFlight: 10158,
  /** The daemon's own, of what a tenant's user may not write: no number of the server's. */
  notAllowed: 19_001,
  /** The daemon's own: a quota of the tenant is used up. */
  quota: 19_002,
} as const;
