/**
 * Each state of a task from now on, up to its end, for however many wait in this process.
 *
 * Room: coordination.
 *
 * Decision: the first few who wait have a consumer of their own, of one subject, and all who come beyond share one that
 * follows the whole log. So a process that waits for one task is spared what else happens, and one that waits for a
 * thousand costs the server 17 consumers and not a thousand.
 */
import { Effect, Schedule, type Scope, Stream } from "effect";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import { task as historyOf } from "../../domain/History.ts";
import { evolve, hasEnded, type TaskRecord } from "../../domain/task/TaskRecord.ts";
import type { LogDamaged, LogUnavailable } from "../../log/EventLog.ts";
import { backoff } from "../../log/connection/Backoff.ts";
import type { Desk } from "./TaskMoves.ts";
import * as Watches from "../watch/Watch.ts";
import type { WatchRefused } from "../watch/WatchRefused.ts";

/** Watchers that wait with a consumer of their own. */
const maxOwn = 16;

export type Following = LogDamaged | LogUnavailable | WatchRefused;

/** The record that is known, and then after each event, up to the task's end. */
export type Follow = (taskId: string, known: TaskRecord) => Stream.Stream<TaskRecord, Following>;

export const make = Effect.fnUntraced(function* ({ log, tenant }: Desk) {
  const { watch } = yield* Watches.make;
  let own = 0;

  const follow = (taskId: string, after: number): Stream.Stream<LogEntry, Following> =>
    Stream.unwrap(
      Effect.gen(function* (): Effect.fn.Return<Stream.Stream<LogEntry, Following>, never, Scope.Scope> {
        const history = historyOf(taskId, tenant);
        if (own >= maxOwn) {
          return watch({ history }, { after }).pipe(
            Stream.map((seen) => (seen._tag === "Event" ? [seen.entry] : [])),
            Stream.flattenIterable,
          );
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => void own++),
          () => Effect.sync(() => void own--),
        );
        return log.follow({ after, history });
      }),
    );

  /** The record that is known, and then after each event. */
  const states: Follow = (taskId, known) => {
    if (hasEnded(known)) return Stream.make(known);
    const later = Stream.suspend(() => {
      let record = known;
      // From where it is, however often the log goes away, or to another place.
      return Stream.suspend(() => follow(taskId, record.upTo)).pipe(
        Stream.map((entry) => (isMisfit(entry) ? record : (record = evolve(record, entry)))),
        Stream.retry(($) => $(backoff).pipe(Schedule.while(({ input }) => input._tag === "LogUnavailable"))),
      );
    });
    return Stream.concat(Stream.make(known), later).pipe(Stream.takeUntil(hasEnded));
  };
  return states;
});
