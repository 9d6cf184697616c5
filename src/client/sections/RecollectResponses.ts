/**
 * Earlier answers of tools and models for programs that speak in promises: reused for an equal request.
 *
 * Room: client.
 */
import { Data, Effect } from "effect";
import * as ResponseCache from "../../coordination/cache/ResponseCache.ts";
import type { Forgetting } from "../../coordination/cache/SharedAnswers.ts";
import { asFunction, asObject } from "../Given.ts";
import type { Section } from "./Section.ts";

/** A rejection of the caller's promise, on its way through. */
class Rejected extends Data.TaggedError("Rejected")<{ readonly why: unknown }> {}

export class RecollectResponses {
  readonly #section: Section<ResponseCache.ResponseCache>;

  constructor(section: Section<ResponseCache.ResponseCache>) {
    this.#section = section;
  }

  #responses<A, E>(use: (responses: ResponseCache.ResponseCache["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#section.run(ResponseCache.ResponseCache.use(use));
  }

  /**
   * The answer to an equal request, else that of `ask`, as JSON gives it back. Rejects as `ask` does, with `RequestRefused`,
   * and with `AnswerRefused` for what is no plain JSON.
   */
  reuse<A>(asked: ResponseCache.Asked, ask: () => Promise<A>): Promise<ResponseCache.Answer> {
    const reused = this.#responses((responses) => {
      const asking = Effect.tryPromise({ try: asFunction(ask, "reuse"), catch: (why) => new Rejected({ why }) });
      return responses.reuse(asObject(asked, "reuse"), asking);
    });
    return reused.catch((error: unknown) => {
      throw error instanceof Rejected ? error.why : error;
    });
  }

  /** Invalidates the answers of one tool or model, or all of them, in every process. False: only here. */
  forget(what: Forgetting): Promise<boolean> {
    return this.#responses((responses) => responses.forget(what));
  }

  /** Counters of this process. */
  counts(): Promise<ResponseCache.ResponseCounts> {
    return this.#responses((responses) => responses.counts);
  }
}
