/**
 * Counts of the caches as metrics of Effect: gauges that an exporter finds up to date.
 *
 * Room: coordination.
 *
 * Decision: written every few seconds from the counts and not at every hit, because a metric's update costs as much as half
 * of a hit.
 */
import { Effect, Metric, Schedule } from "effect";
import type { CacheReport } from "./CacheSharing.ts";

/** As often as an exporter asks. */
const everyMillis = 5_000;

/** `recollect_cache`, by `cache` (files, responses) and `what` was counted since the process began. */
const counted = Metric.gauge("recollect_cache", {
  description: "What a cache of this process has counted since the process began, and what it holds.",
});

/** Answered without doing the work, of all that was asked; undefined before anything was. */
export const hitRateOf = ({ cache, counts }: CacheReport): number | undefined => {
  const count = (name: string) => counts[name] ?? 0;
  const shared = count("fromProcess") + count("fromShared");
  const [hits, all] =
    cache === "files"
      ? [shared + count("knownMissing"), count("reads")]
      : [shared + count("joined"), count("requests")];
  return all === 0 ? undefined : hits / all;
};

/** Writes a report into the gauges. */
export const tell = (report: CacheReport): Effect.Effect<void> => {
  const hitRate = hitRateOf(report);
  const values = Object.entries(hitRate === undefined ? report.counts : { ...report.counts, hitRate });
  return Effect.forEach(
    values,
    ([what, value]) => Metric.update(Metric.withAttributes(counted, { cache: report.cache, what }), value),
    { discard: true },
  );
};

/** Tells them until the scope closes. */
export const keepTelling = (report: () => CacheReport) =>
  Effect.suspend(() => tell(report())).pipe(Effect.repeat(Schedule.spaced(everyMillis)), Effect.forkScoped);
