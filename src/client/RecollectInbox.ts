/**
 * Inboxes for programs that speak in promises: send, request, receive.
 *
 * Room: client.
 */
import { Effect, Layer, type ManagedRuntime, Option } from "effect";
import * as Connect from "../publish/Connect.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import * as BucketsWhenNeeded from "../coordination/bucket/BucketsWhenNeeded.ts";
import {
  type Answering,
  Inbox,
  type Message,
  type Sending,
  type Taking,
  type Which,
} from "../coordination/inbox/Inbox.ts";
import * as Inboxes from "../coordination/inbox/Inbox.ts";

/** Inboxes at an address, or those of the running instance. */
export const layer = (options: Connect.Options) => {
  const buckets = Layer.unwrap(Effect.map(Connect.placeOf(options), ({ log }) => BucketsWhenNeeded.layer(log)));
  return Inboxes.layer.pipe(
    Layer.provide(buckets.pipe(Layer.provide(Connect.folderLayer(options)))),
    Layer.provide(Connect.layer(options)),
  );
};

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
  readonly #runtime: ManagedRuntime.ManagedRuntime<Inbox, never>;

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Inbox, never>) {
    this.#runtime = runtime;
  }

  /** As `Recollect.connect`: never fails because NATS is away; sending then rejects with `InboxUnavailable`. */
  static async connect(options: ConnectOptions = {}): Promise<RecollectInbox> {
    const runtime = await begin(options, layer);
    return new RecollectInbox(runtime);
  }

  /** Resolves with the message's id when it is an event and lies in the inbox. */
  send(message: Sending): Promise<string> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.send(message)));
  }

  /** Sends, and resolves with the first reply. Rejects with `NoReply` after `ttlMillis` (default 30 s). */
  request(message: Sending): Promise<Message> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.request(message)));
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
    await this.#runtime.runPromise(received, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  /** The oldest message that nobody has taken, for a lease; undefined when there is none within `waitMillis`. */
  async take(options: Taking): Promise<Message | undefined> {
    return Option.getOrUndefined(await this.#runtime.runPromise(Inbox.use((inbox) => inbox.take(options))));
  }

  /** The message was handled: it lies there no longer. False when it did not. */
  acknowledge(which: Which): Promise<boolean> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.acknowledge(which)));
  }

  /** Replies to a message that lies there, and leaves it there. Rejects with `NoSuchMessage`. */
  reply(options: Answering): Promise<string> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.reply(options)));
  }

  /** What waits for a name, oldest first. */
  waiting(name: string): Promise<ReadonlyArray<Message>> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.waiting(name)));
  }

  /** Empties an inbox; resolves with how many messages lay there. */
  clear(name: string): Promise<number> {
    return this.#runtime.runPromise(Inbox.use((inbox) => inbox.clear(name)));
  }

  close(): Promise<void> {
    return this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
