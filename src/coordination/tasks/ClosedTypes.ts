/**
 * Agent types of which no task may be claimed for now, by what this process was told: the queue is paused, its rate is used
 * up, or all places are taken.
 *
 * Room: coordination.
 *
 * One notebook for all three reasons, because a waiting claim does the same for each: it takes from its other types, and asks
 * again at the time that it was told, or when there is news.
 */
import { Clock, Effect } from "effect";

/** News of a type at some moment: what was learnt before later news closes nothing. */
export type News = number;

/** A claim that waits looks again after this time, as no timer is longer than 24 days. */
const longestMillis = 3_600_000;

interface Known {
  closedUntil: number;
  news: News;
}

export const make = () => {
  const types = new Map<string, Known>();
  const waiting = new Set<() => void>();

  const known = (agentType: string): Known => {
    const one = types.get(agentType) ?? { closedUntil: 0, news: 0 };
    types.set(agentType, one);
    return one;
  };
  const wake = () => {
    // Those that are woken may wait again at once.
    const woken = [...waiting];
    waiting.clear();
    for (const one of woken) one();
  };
  const untilNews = Effect.callback<void>((resume) => {
    const one = () => resume(Effect.void);
    waiting.add(one);
    return Effect.sync(() => waiting.delete(one));
  });

  return {
    news: (agentType: string): News => known(agentType).news,
    /** Nothing of it is claimed for so long, unless there was news since. */
    close: (agentType: string, millis: number, since: News) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const one = known(agentType);
        if (one.news === since) one.closedUntil = now + millis;
      }),
    /** It may be claimed again; without a name all may. */
    open: (agentType?: string) =>
      Effect.sync(() => {
        for (const [name, one] of types) {
          if (agentType !== undefined && name !== agentType) continue;
          one.closedUntil = 0;
          one.news++;
        }
        wake();
      }),
    /** The types that may be claimed now, and an effect that returns when another one may be. */
    among: (agentTypes: ReadonlyArray<string>) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const open = agentTypes.filter((agentType) => (types.get(agentType)?.closedUntil ?? 0) <= now);
        const closed = agentTypes.filter((agentType) => !open.includes(agentType)).map(known);
        const restMillis = Math.min(longestMillis, ...closed.map(({ closedUntil }) => closedUntil - now));
        const news = Effect.repeat(untilNews, { until: () => closed.some(({ closedUntil }) => closedUntil === 0) });
        return { open, opened: Effect.asVoid(Effect.raceFirst(news, Effect.sleep(restMillis))) };
      }),
  };
};

export type ClosedTypes = ReturnType<typeof make>;
