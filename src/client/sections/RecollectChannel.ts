/**
 * Channels for programs that speak in promises: texts between programs at this moment, none of them kept.
 *
 * Room: client.
 */
import { Effect, Exit, Scope } from "effect";
import { Channels } from "../../log/live/Channels.ts";
import type { Section } from "./Section.ts";

export class RecollectChannel {
  readonly #section: Section<Channels>;
  readonly #channel: { readonly tenant: string; readonly name: string };

  constructor(section: Section<Channels>, channel: { readonly tenant: string; readonly name: string }) {
    this.#section = section;
    this.#channel = channel;
  }

  get name(): string {
    return this.#channel.name;
  }

  /**
   * Says a text to every program that subscribes now: at most once, in order, at most 1 MB. Rejects with `LogUnavailable`
   * while the server is unreachable, and with `ChannelRefused` for a text that is too large.
   */
  publish(text: string): Promise<void> {
    return this.#section.run(Channels.use((channels) => channels.publish(this.#channel, text)));
  }

  /** Hears every text from now on; resolves, with how to end it, when the server knows. Closing the client ends it too. */
  async subscribe(hear: (text: string) => void): Promise<() => Promise<void>> {
    const scope = Scope.makeUnsafe();
    const close = Scope.close(scope, Exit.void);
    const subscribed = Channels.use((channels) => channels.subscribe(this.#channel, hear));
    await this.#section.run(Effect.onError(Scope.provide(subscribed, scope), () => close));
    const forget = this.#section.sections.keep(() => Effect.runPromise(close));
    return () => {
      forget();
      return Effect.runPromise(close);
    };
  }
}
