/**
 * Reading the stream by sequence, by subject and in batches, without a consumer.
 *
 * Room: log.
 *
 * Why not the client's `getBatch`: its iterator dies five seconds after the call even while it is being read, and
 * keeps its subscription for as long (50 reads are 50 live subscriptions). The connection's one subscription serves all reads.
 *
 * With one replica every answer comes from the only copy. With three, any replica answers a direct get and may be
 * behind (stale 11 times in 100 on a loopback cluster), so a read first asks the leader how far the history
 * reaches, and reads on until it has come that far.
 */
import { elapsed } from "../connection/Elapsed.ts";
import type { Msg, NatsConnection as Client } from "@nats-io/transport-node";
import { Effect } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { LogUnavailable } from "../EventLog.ts";
import type { StoredMessage } from "../Envelope.ts";
import type { Address, NoAnswer } from "../connection/RepliesNats.ts";
import { type Got, storedOfAnswer } from "./MessageNats.ts";
import type { LogCondition } from "../connection/LogCondition.ts";
import type { Link } from "../connection/NatsConnectionNats.ts";
import { type ApiError, ask, failed } from "../connection/RequestNats.ts";
import { awaitLink, because, retryPauseMillis, unanswered } from "../connection/PatienceNats.ts";

/** Messages and bytes of one batch: what one reader holds in memory, and the server sends without flow control. */
const batchMessages = 500;
const batchBytes = 8 * 1024 * 1024;
/** Longest silence before an answer, and between two messages of a batch. */
const defaultSilenceMillis = 5_000;

export type Selector =
  | { readonly seq: Sequence }
  | { readonly last_by_subj: string }
  | { readonly seq: Sequence; readonly next_by_subj: string }
  | { readonly start_time: string; readonly next_by_subj: string }
  /** The last message of each of at most 1,024 subjects. */
  | { readonly multi_last: ReadonlyArray<string> };

type Batch = { readonly _tag: "Batch"; readonly messages: ReadonlyArray<Got> } | NoAnswer;

export interface DirectGet {
  /** One message, or undefined. `leader` asks the one that knows, `any` the one that is nearest. */
  readonly one: (
    stream: string,
    selector: Selector,
    from: "leader" | "any",
  ) => Effect.Effect<StoredMessage | undefined, LogUnavailable>;
  /** The next messages of a subject, at most 500 of them; empty when there are none. The last one's `pending` says how many follow. */
  readonly batch: (
    stream: string,
    selector: Selector,
    most?: number,
  ) => Effect.Effect<ReadonlyArray<Got>, LogUnavailable>;
}

/** The daemon answers so for histories that are not of our tenant. */
const deniedBy = (code: number): { readonly denied?: string } =>
  code === 403 ? { denied: "read or write histories of another tenant" } : {};

const getBatch = (options: {
  readonly nc: Client;
  readonly link: Link;
  readonly stream: string;
  readonly request: string;
  readonly silenceMillis: number;
}): Promise<Batch> =>
  new Promise((resolve) => {
    const { link, nc, request, silenceMillis, stream } = options;
    if (!link.connected) {
      resolve({ _tag: "NoAnswer", why: "lost", reason: "NATS is away" });
      return;
    }
    const messages: Array<Got> = [];
    let address: Address | undefined;
    const finish = (batch: Batch) => {
      clearTimeout(timer);
      address?.close();
      resolve(batch);
    };
    const timer = setTimeout(
      () => finish({ _tag: "NoAnswer", why: "silent", reason: "no answer in time" }),
      silenceMillis,
    );
    const subject = link.route(`$JS.API.DIRECT.GET.${stream}`);
    const onMessage = (message: Msg) => {
      timer.refresh();
      const got = storedOfAnswer(message);
      if (got !== undefined) {
        messages.push(got);
        return;
      }
      const code = message.headers?.code ?? 0;
      // 204 ends a batch, 404 says that there is nothing to send.
      if (code === 204 || code === 404) finish({ _tag: "Batch", messages });
      else if (code === 503) finish({ _tag: "NoAnswer", why: "nobody", reason: "nobody serves the stream" });
      else
        finish({
          _tag: "NoAnswer",
          why: "failed",
          reason: `the server refused the read: ${code} ${message.headers?.description}`,
          ...deniedBy(code),
        });
    };
    try {
      address = link.replies.open({ subject, onMessage, onNoAnswer: finish });
      nc.publish(subject, request, { reply: address.reply });
    } catch (error) {
      finish(failed(error));
    }
  });

export type One = { readonly _tag: "One"; readonly message: StoredMessage | undefined } | NoAnswer;

interface LeaderAnswer {
  readonly error?: ApiError;
  readonly message?: {
    readonly subject: string;
    readonly seq: number;
    readonly hdrs?: string;
    readonly data?: string;
    readonly time: string;
  };
}

/** The leader answers in JSON, headers and body in base64. */
const storedOfLeader = (answer: LeaderAnswer): StoredMessage | undefined => {
  const { message } = answer;
  if (message === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of Buffer.from(message.hdrs ?? "", "base64")
    .toString("utf8")
    .split("\r\n")
    .slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon)] ??= line.slice(colon + 1).trim();
  }
  return {
    sequence: message.seq,
    subject: message.subject,
    recordedAt: Date.parse(message.time),
    headers,
    body: Buffer.from(message.data ?? "", "base64"),
  };
};

const oneOf = (message: Msg): One => {
  const stored = storedOfAnswer(message);
  if (stored !== undefined) return { _tag: "One", message: stored };
  const code = message.headers?.code ?? 0;
  if (code === 404) return { _tag: "One", message: undefined };
  return {
    _tag: "NoAnswer",
    why: "failed",
    reason: `the server refused the read: ${code} ${message.headers?.description}`,
    ...deniedBy(code),
  };
};

const getOne = async (options: {
  readonly nc: Client;
  readonly link: Link;
  readonly stream: string;
  readonly selector: Selector;
  readonly from: "leader" | "any";
  readonly silenceMillis: number;
}): Promise<One> => {
  const { from, link, nc, selector, silenceMillis, stream } = options;
  const api = from === "leader" ? "STREAM.MSG.GET" : "DIRECT.GET";
  const answer = await ask(nc, link, {
    subject: link.route(`$JS.API.${api}.${stream}`),
    payload: JSON.stringify(selector),
    timeoutMillis: silenceMillis,
  });
  if (answer._tag === "NoAnswer") return answer;
  const { message } = answer;
  if (from === "leader") {
    const said: LeaderAnswer = message.json();
    if (said.error === undefined) return { _tag: "One", message: storedOfLeader(said) };
    if (said.error.code === 404 && said.error.err_code !== 10059) return { _tag: "One", message: undefined };
    const { code, description } = said.error;
    return { _tag: "NoAnswer", why: code === 503 ? "nobody" : "failed", reason: description, ...deniedBy(code) };
  }
  return oneOf(message);
};

/**
 * The last message of one subject: a key's entry, or what says that it is gone. By the subject in place of a body, which
 * can be allowed subject by subject, and by ourselves, because the client's KV takes half as long again: an error with
 * its stack for every answer, headers as a map of lists.
 */
export const lastOf = async (options: {
  readonly nc: Client;
  readonly link: Link;
  readonly stream: string;
  readonly subject: string;
  readonly timeoutMillis: number;
}): Promise<One> => {
  const { link, nc, stream, subject, timeoutMillis } = options;
  const answer = await ask(nc, link, { subject: `$JS.API.DIRECT.GET.${stream}.${subject}`, timeoutMillis });
  return answer._tag === "NoAnswer" ? answer : oneOf(answer.message);
};

/** Retries without an answer, for as long as patience lasts: a read changes nothing. */
const persist = Effect.fnUntraced(function* <A extends { readonly _tag: string }>(
  { link, patienceMillis, unserved }: Options,
  question: () => Promise<A | NoAnswer>,
) {
  const started = yield* elapsed;
  for (let attempt = 0; ; attempt++) {
    const answer = yield* Effect.promise(question);
    if (answer._tag !== "NoAnswer") return answer as A;
    const no = answer as NoAnswer;
    if (no.why === "nobody") {
      link.doubt();
      const condition = unserved?.();
      if (condition !== undefined) return yield* because(condition);
    }
    if (no.why === "failed" || (yield* elapsed) - started >= patienceMillis) return yield* unanswered(no);
    if (no.why === "lost") yield* awaitLink(link);
    else yield* Effect.sleep(retryPauseMillis(attempt));
  }
});

export interface Options {
  readonly nc: Client;
  readonly link: Link;
  /** Patience of a read without an answer, milliseconds. */
  readonly patienceMillis: number;
  /** Longest silence before it is asked again, milliseconds. Default 5,000. */
  readonly silenceMillis?: number | undefined;
  /** Reason why the server answers no read, as far as the guard of the connection knows: then no patience helps. */
  readonly unserved?: (() => LogCondition | undefined) | undefined;
}

export const make = (options: Options): DirectGet => {
  const { link, nc, silenceMillis = defaultSilenceMillis } = options;
  return {
    one: (stream, selector, from) =>
      Effect.map(
        persist<Extract<One, { _tag: "One" }>>(options, () =>
          getOne({ nc, link, stream, selector, from, silenceMillis }),
        ),
        ({ message }) => message,
      ),
    batch: (stream, selector, most = batchMessages) => {
      const request = JSON.stringify({ ...selector, batch: Math.min(most, batchMessages), max_bytes: batchBytes });
      return Effect.map(
        persist<Extract<Batch, { _tag: "Batch" }>>(options, () =>
          getBatch({ nc, link, stream, request, silenceMillis }),
        ),
        ({ messages }) => messages,
      );
    },
  };
};
