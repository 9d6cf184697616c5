/**
 * Inboxes for programs that speak in promises: send, request, receive.
 *
 * Room: client.
 */
import { Effect, Option } from "effect";
import {
  type Answering,
  Inbox,
  type Message,
  type Sending,
  type Taking,
  type Which,
} from "../../coordination/inbox/Inbox.ts";
import type { Section } from "./Section.ts";

export interface ReceiveOptions {
  readonly name: string;
  /** The receiver's session, whose history holds its replies. Default: a session named like it. */
  readonly session?: string | undefined;
  /** Ends the receiving; what is being handled then is for the next receiver, after a lease. */
  readonly signal: AbortSignal;
  /** A rejection leaves the message in the inbox, for another attempt. */
  readonly handle: (message: Message, reply: (body: unknown) => Promise<void>) => Promise<void>;
}

export class RecollectInbox {
  readonly #section: Section<Inbox>;

  constructor(section: Section<Inbox>) {
    this.#section = section;
  }

  /** Resolves with the message's id when it is an event and lies in the inbox. */
  send(message: Sending): Promise<string> {
    return this.#section.run(Inbox.use((inbox) => inbox.send(message)));
  }

  /** Sends, and resolves with the first reply. Rejects with `NoReply` after `ttlMillis` (default 30 s). */
  request(message: Sending): Promise<Message> {
    return this.#section.run(Inbox.use((inbox) => inbox.request(message)));
  }

  /** Handles what is and comes in an inbox, one after another; resolves when the signal is aborted. */
  async receive({ handle, signal, ...options }: ReceiveOptions): Promise<void> {
    const received = Inbox.use((inbox) =>
      inbox.receive({
        ...options,
        handle: (message, reply) =>
          Effect.flatMap(Effect.context<never>(), (context) =>
            Effect.tryPromise(() => handle(message, (body) => Effect.runPromiseWith(context)(reply(body)))),
          ),
      }),
    );
    await this.#section.run(received, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** Takes the oldest free message under a lease; undefined when there is none within `waitMillis`. */
  async take(options: Taking): Promise<Message | undefined> {
    return Option.getOrUndefined(await this.#section.run(Inbox.use((inbox) => inbox.take(options))));
  }

  /** The message was handled: it lies there no longer. False when it did not. */
  acknowledge(which: Which): Promise<boolean> {
    return this.#section.run(Inbox.use((inbox) => inbox.acknowledge(which)));
  }

  /** Replies to a message that lies there, and leaves it there. Rejects with `NoSuchMessage`. */
  reply(options: Answering): Promise<string> {
    return this.#section.run(Inbox.use((inbox) => inbox.reply(options)));
  }

  /** Waiting messages of a name, oldest first. */
  waiting(name: string): Promise<ReadonlyArray<Message>> {
    return this.#section.run(Inbox.use((inbox) => inbox.waiting(name)));
  }

  /** Empties an inbox; resolves with how many messages lay there. */
  clear(name: string): Promise<number> {
    return this.#section.run(Inbox.use((inbox) => inbox.clear(name)));
  }
}
