/**
 * Tasks that were put into the queue a moment ago, by any process, as the server passes their entries on.
 *
 * Room: coordination.
 *
 * An entry that was heard may have been refused, so this only says what need not be put again at once.
 */
import { Effect } from "effect";
import { NatsConnection } from "../../../log/connection/NatsConnectionNats.ts";
import { allEntries, subjectOf } from "./TaskQueueNats.ts";
import type { Named } from "./TaskQueue.ts";

/** An entry is remembered for this time at least, and for twice as long at most. */
const rememberedMillis = 5_000;
/** Some megabytes of subjects. */
const mostRemembered = 20_000;

export interface RecentPuts {
  readonly has: (tenant: string, task: Named) => boolean;
  /** The queue was lost, and with it the entries. */
  readonly forget: () => void;
}

/** Listens until the scope closes. */
export const listen = Effect.gen(function* () {
  const { nc } = yield* NatsConnection;
  let recent = new Set<string>();
  let earlier = new Set<string>();
  let turnedAt = performance.now();
  const hear = (subject: string) => {
    const now = performance.now();
    if (now - turnedAt > rememberedMillis || recent.size >= mostRemembered) {
      [recent, earlier, turnedAt] = [new Set(), recent, now];
    }
    recent.add(subject);
  };
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      nc.subscribe(allEntries, {
        callback: (error, message) => {
          if (error === null) hear(message.subject);
        },
      }),
    ),
    (subscription) => Effect.sync(() => subscription.unsubscribe()),
  );
  return {
    has: (tenant, task) => {
      const subject = subjectOf(tenant, task);
      return recent.has(subject) || earlier.has(subject);
    },
    forget: () => {
      recent.clear();
      earlier.clear();
    },
  } satisfies RecentPuts;
});
