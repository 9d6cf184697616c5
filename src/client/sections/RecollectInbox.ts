/**
 * Inboxes for programs that speak in promises: send, request, receive, and take with a receipt.
 *
 * Room: client.
 */
import { Effect, Option } from "effect";
import {
  type Answering,
  type DeadLetter,
  type Extending,
  Inbox,
  type Message,
  type Receiving,
  type Releasing,
  type Sending,
  type Settling,
  type Taken,
  type Taking,
  type Waiting,
} from "../../coordination/inbox/Inbox.ts";
import { asFunction, asObject } from "../Given.ts";
import type { Section } from "./Section.ts";

export interface ReceiveOptions extends Omit<Receiving<never>, "handle"> {
  /**
   * Ends the receiving; what is being handled then is free at once, and that attempt does not count. Absent: it goes on until
   * the client is closed.
   */
  readonly signal?: AbortSignal | undefined;
  /**
   * The lease is extended while it runs. A rejection leaves the message in the inbox, for another attempt. `signal` is
   * aborted when the receiving ends, or another receiver has taken the message.
   */
  readonly handle: (message: Message, reply: (body: unknown) => Promise<void>, signal: AbortSignal) => Promise<void>;
}

export class RecollectInbox {
  readonly #section: Section<Inbox>;

  constructor(section: Section<Inbox>) {
    this.#section = section;
  }

  #inbox<A, E>(use: (inbox: Inbox["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#section.run(Inbox.use(use));
  }

  /** Resolves with the message's id when it is an event and lies in the inbox. */
  send(message: Sending): Promise<string> {
    return this.#inbox((inbox) => inbox.send(asObject(message, "send")));
  }

  /** Sends, and resolves with the first reply. Rejects with `NoReply` after `ttlMillis` (default 30 s). */
  request(message: Sending): Promise<Message> {
    return this.#inbox((inbox) => inbox.request(asObject(message, "request")));
  }

  /**
   * Handles what is and comes in an inbox, one after another; resolves when the signal is aborted, rejects with
   * `RecollectClosed` when the client is closed.
   */
  async receive(receiving: ReceiveOptions): Promise<void> {
    const { handle, signal, ...options } = asObject(receiving, "receive");
    asFunction(handle, "receive's handle");
    const received = Inbox.use((inbox) =>
      inbox.receive({
        ...options,
        handle: (message, reply) =>
          Effect.flatMap(Effect.context<never>(), (context) =>
            Effect.tryPromise((ended) => handle(message, (body) => Effect.runPromiseWith(context)(reply(body)), ended)),
          ),
      }),
    );
    await this.#section.run(received, signal).catch((error: unknown) => {
      if (signal?.aborted !== true) throw error;
    });
  }

  /** Takes the oldest free message under a lease; undefined when there is none within `waitMillis`. */
  async take(options: Taking): Promise<Taken | undefined> {
    return Option.getOrUndefined(await this.#inbox((inbox) => inbox.take(asObject(options, "take"))));
  }

  /** It was handled: it lies there no longer. False: this receipt holds it no longer, and nothing was removed. */
  acknowledge(settling: Settling): Promise<boolean> {
    return this.#inbox((inbox) => inbox.acknowledge(asObject(settling, "acknowledge")));
  }

  /** Gives a message back before its lease is over, as handled by no attempt or as failed. False: held no longer. */
  release(releasing: Releasing): Promise<boolean> {
    return this.#inbox((inbox) => inbox.release(asObject(releasing, "release")));
  }

  /** Begins the lease anew; resolves with the receipt that is good from now on. Rejects with `NoSuchMessage`. */
  extend(extending: Extending): Promise<string> {
    return this.#inbox((inbox) => inbox.extend(asObject(extending, "extend")));
  }

  /** Replies to a message that is held, and goes on holding it. Rejects with `NoSuchMessage`. */
  reply(options: Answering): Promise<string> {
    return this.#inbox((inbox) => inbox.reply(asObject(options, "reply")));
  }

  /** Messages of a name that wait or are being handled, in the order of sending. */
  waiting(name: string): Promise<ReadonlyArray<Waiting>> {
    return this.#inbox((inbox) => inbox.waiting(name));
  }

  /** Dead letters of a name, oldest first. */
  dead(name: string): Promise<ReadonlyArray<DeadLetter>> {
    return this.#inbox((inbox) => inbox.dead(name));
  }

  /** Puts dead letters in again, one or all; resolves with how many. */
  retry(name: string, id?: string): Promise<number> {
    return this.#inbox((inbox) => inbox.retry({ name, id }));
  }

  /** Empties an inbox, or its dead letters; resolves with how many went. */
  clear(name: string, options: { readonly dead?: boolean } = {}): Promise<number> {
    return this.#inbox((inbox) => inbox.clear({ name, ...options }));
  }
}
