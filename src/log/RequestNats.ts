/**
 * One question to the server and its answer, with every way it can fail as a value.
 *
 * Room: log. In: NatsConnectionNats. Out: AtomicBatchNats, DirectGetNats, FollowNats.
 *
 * Plain functions around the client's promises; they never reject.
 */
import {
  type MsgHdrs,
  type Msg,
  type NatsConnection as Client,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from "@nats-io/transport-node";
import type { Link } from "./NatsConnectionNats.ts";

/**
 * - `lost`: the connection broke before the answer came; the question may have been heard
 * - `silent`: no answer in time; the question may have been heard
 * - `nobody`: the server says that nobody listens: no stream, JetStream off, or no leader yet; nothing has happened
 * - `failed`: the client could not even ask; nothing has happened
 */
export interface NoAnswer {
  readonly _tag: "NoAnswer";
  readonly why: "lost" | "silent" | "nobody" | "failed";
  readonly reason: string;
}

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

const noAnswer = (error: unknown): NoAnswer => {
  const at = error instanceof RequestError && error.cause !== undefined ? error.cause : error;
  if (at instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders())) {
    return { _tag: "NoAnswer", why: "nobody", reason: "nobody serves the stream" };
  }
  if (at instanceof TimeoutError) return { _tag: "NoAnswer", why: "silent", reason: "no answer in time" };
  return { _tag: "NoAnswer", why: "failed", reason: at instanceof Error ? at.message : String(at) };
};

/** Asks, and stops waiting as soon as the connection is lost: the answer will never come. */
export const ask = (nc: Client, link: Link, question: Ask): Promise<Answer | NoAnswer> =>
  new Promise((resolve) => {
    if (!link.connected) {
      // The client would keep the question and drop it at the next dial.
      resolve({ _tag: "NoAnswer", why: "lost", reason: "NATS is away" });
      return;
    }
    const ignoreLoss = link.onLost(() => resolve({ _tag: "NoAnswer", why: "lost", reason: "the connection was lost" }));
    const { headers, payload, subject, timeoutMillis } = question;
    const finish = (answer: Answer | NoAnswer): void => {
      ignoreLoss();
      resolve(answer);
    };
    void nc.request(subject, payload, { timeout: timeoutMillis, ...(headers === undefined ? {} : { headers }) }).then(
      (message) => finish({ _tag: "Answer", message }),
      (error: unknown) => finish(noAnswer(error)),
    );
  });

/** An error as the server's JSON says it. */
export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** The numbers of the server's errors that mean something to us (nats-server `errors.json`). */
export const apiCode = {
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  /** R3: something for this subject is in flight; the server does not say the number. */
  wrongLastSequenceInFlight: 10164,
  messageTooLarge: 10054,
  noSpace: 10047,
  storeFailed: 10077,
  batchDisabled: 10174,
  batchDuplicate: 10201,
  duplicateInFlight: 10158,
} as const;
