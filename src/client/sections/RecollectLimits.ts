/**
 * Limits for programs that speak in promises: may this be done now, or when? A refusal is an answer and no exception.
 *
 * Room: client.
 */
import { Effect } from "effect";
import * as Limits from "../../coordination/limits/Limits.ts";
import type { Section } from "./Section.ts";

/** Decision of a limit: allowed, or when to retry. */
export type Taken =
  | (Limits.Allowed & { readonly allowed: true })
  | { readonly allowed: false; readonly limit: string; readonly retryAfterMillis: number };

export class RecollectLimits {
  readonly #section: Section<Limits.Limits>;

  constructor(section: Section<Limits.Limits>) {
    this.#section = section;
  }

  /** Takes from every limit that is concerned, or from none. With NATS away each limit decides by its own policy. */
  take(request: Limits.LimitRequest): Promise<Taken> {
    const taken = Limits.Limits.use((limits) => limits.take(request)).pipe(
      Effect.map((allowed): Taken => ({ ...allowed, allowed: true })),
      Effect.catchTag("LimitExceeded", ({ limit, retryAfterMillis }) =>
        Effect.succeed<Taken>({ allowed: false, limit, retryAfterMillis }),
      ),
    );
    return this.#section.run(taken);
  }
}
