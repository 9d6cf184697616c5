/**
 * True when a tool may be called now, as the limits of the configuration say; what was refused becomes events.
 *
 * Room: edge.
 *
 * It runs beside the recorder, in its thread: a call that waits for its answer waits for no parsing and no publishing,
 * but for at most a round trip.
 */
import { Clock, Duration, Effect } from "effect";
import { Limits } from "../../coordination/limits/Limits.ts";
import * as History from "../../domain/History.ts";
import { Publisher } from "../../publish/Publisher.ts";
import type { Refusal } from "./InPlace.ts";
import { gatherMillis, Refusals } from "./Refusals.ts";

/** Longest name of a tool that is recorded, in characters; the longest that a client of today accepts has 128. */
const maxToolLength = 200;

/** As a person or a model says it; never shorter than it is. */
const inWords = (millis: number): string =>
  millis < 1_000 ? `${millis} ms` : Duration.format(Duration.seconds(Math.ceil(millis / 1_000)));

export const make = Effect.fnUntraced(function* (options: {
  readonly sessionId: string;
  readonly user: string | undefined;
}) {
  const { sessionId, user } = options;
  const limits = yield* Limits;
  const publisher = yield* Publisher;
  const { tenant } = publisher;
  const refusals = new Refusals();
  const refused = Effect.fnUntraced(function* (tool: string, limit: string) {
    refusals.add({ tool, limit, at: yield* Clock.currentTimeMillis });
  });

  /** Says what was refused since the last time. */
  const told = Effect.suspend(() =>
    Effect.forEach(
      refusals.take(),
      (gathered) =>
        Effect.ignore(
          publisher.publish({
            history: History.session(sessionId, tenant),
            session: sessionId,
            type: "session.calls_refused",
            data: { ...gathered, user },
          }),
        ),
      { discard: true },
    ),
  );
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(gatherMillis), told)));

  const decide = (called: string): Effect.Effect<Refusal | undefined> => {
    // A client may call whatever it likes, and what is said of it must be short.
    const tool = called.slice(0, maxToolLength).toWellFormed();
    return limits.take({ tenant, tool, user }).pipe(
      Effect.flatMap((answer) => {
        if (answer.allowed) return Effect.undefined;
        const { limit, message, reason, retryAfterMillis } = answer;
        // Nothing is known of the end of an outage.
        const isKnown = reason === "exceeded";
        const again = isKnown ? `in ${inWords(retryAfterMillis)}` : "later";
        return Effect.as(refused(tool, limit), {
          message: `${message} ${tool} was not called. Call it again ${again}.`,
          retryAfterMillis: isKnown ? retryAfterMillis : undefined,
        });
      }),
      // One token is a number of tokens, and every limit gives one.
      Effect.catchTag("LimitRefused", () => Effect.undefined),
    );
  };
  return { decide, told };
});
