/**
 * Limits for programs that speak in promises: may this be done now, or when? A refusal is an answer and no exception.
 *
 * Room: client.
 */
import { type Allowed, type Denied, type LimitRequest, Limits } from "../../coordination/limits/Limits.ts";
import { asObject } from "../Given.ts";
import type { Section } from "./Section.ts";

export class RecollectLimits {
  readonly #section: Section<Limits>;

  constructor(section: Section<Limits>) {
    this.#section = section;
  }

  /**
   * Takes from every limit that is concerned, or from none. While NATS is unreachable an open limit counts in this process
   * alone, and a closed one answers `{ allowed: false, reason: "unreachable" }`. Rejects with `LimitRefused` for a number
   * of tokens that no limit ever gives.
   */
  take(request: LimitRequest): Promise<Allowed | Denied> {
    return this.#section.run(Limits.use((limits) => limits.take(asObject(request, "take"))));
  }
}
