/**
 * Replies: one subscription for all questions of a connection.
 *
 * Room: log.
 *
 * A question gets an address of its own, whose last token says whose answer a message is. The asker hears of
 * everything that can happen to a question: answers, a lost connection, a refused subject, the end of the client.
 *
 * Why not the client's `request`: it makes an error with its stack for every answer that came (35 µs of the 700 that a
 * durable append of one event takes), and it serves one answer for a question, where a read has many.
 */
import {
  createInbox,
  type Msg,
  type NatsConnection as Client,
  PermissionViolationError,
} from "@nats-io/transport-node";

/**
 * Reason that no answer comes:
 *
 * - `lost`: the connection broke before the answer came; the question may have been heard
 * - `silent`: no answer in time; the question may have been heard
 * - `nobody`: the server says that there is no responder: no stream, JetStream off, or no leader yet; nothing has happened
 * - `failed`: the question could not be asked; nothing has happened
 */
export interface NoAnswer {
  readonly _tag: "NoAnswer";
  readonly why: "lost" | "silent" | "nobody" | "failed";
  readonly reason: string;
  /** Right that this user lacks: `publish to SUBJECT`, `subscribe to SUBJECT`. */
  readonly denied?: string;
}

interface Waiting {
  /** Subject of the question. */
  readonly subject: string;
  /** Further subjects without which there is no answer: those of a batch's other messages. */
  readonly also?: ReadonlySet<string> | undefined;
  readonly onMessage: (message: Msg) => void;
  readonly onNoAnswer: (why: NoAnswer) => void;
}

export interface Address {
  readonly reply: string;
  /** Nothing is heard any more. */
  readonly close: () => void;
}

export class Replies {
  readonly #nc: Client;
  readonly #base: string;
  readonly #waiting = new Map<string, Waiting>();
  #listens = false;
  #next = 0;

  constructor(nc: Client, prefix: string | undefined) {
    this.#nc = nc;
    this.#base = `${createInbox(prefix)}.`;
    void nc.closed().then(() => this.#end("failed", "the connection was closed"));
  }

  /** An address for the answers to one question, until it is closed. Throws when the client was closed. */
  open(waiting: Waiting): Address {
    if (!this.#listens) this.#listen();
    const token = (this.#next++).toString(36);
    this.#waiting.set(token, waiting);
    return { reply: this.#base + token, close: () => this.#waiting.delete(token) };
  }

  /** The connection broke: what was asked will not be answered. */
  lost(): void {
    this.#end("lost", "the connection was lost");
  }

  /** The server forbids this subject. It does not say which question it means, and none of that subject is answered. */
  denied(subject: string, reason: string): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.subject !== subject && waiting.also?.has(subject) !== true) continue;
      waiting.onNoAnswer({ _tag: "NoAnswer", why: "failed", reason, denied: `publish to ${subject}` });
    }
  }

  /** Anew after the server refused it: permissions change while servers run. */
  #listen(): void {
    this.#nc.subscribe(`${this.#base}*`, {
      callback: (error, message) => {
        if (error === null) this.#waiting.get(message.subject.slice(this.#base.length))?.onMessage(message);
        else {
          this.#listens = false;
          const denied = error instanceof PermissionViolationError ? `subscribe to ${this.#base}*` : undefined;
          this.#end("failed", error.message, denied);
        }
      },
    });
    this.#listens = true;
  }

  #end(why: NoAnswer["why"], reason: string, denied?: string): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    const no: NoAnswer = { _tag: "NoAnswer", why, reason, ...(denied === undefined ? {} : { denied }) };
    for (const { onNoAnswer } of all) onNoAnswer(no);
  }
}
