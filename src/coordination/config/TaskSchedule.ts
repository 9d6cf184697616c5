/**
 * A schedule: a task that is to be submitted again and again, and when. Pure.
 *
 * Room: coordination.
 *
 * An occurrence is an instant, the same in every process that computes it: a cron expression has a time zone (UTC when none
 * is named, never that of the machine), and an interval counts from `from`. The id of its task is the schedule's name and
 * that instant, so it is one task however many submit it.
 */
import { Cron, Option, Result, Schema } from "effect";
import { TaskPriority, TaskRequest } from "../../domain/task/TaskEvents.ts";
import { lastMillis } from "../../log/append/AppendCheck.ts";
import { maxAttemptsAllowed, maxDelayMillis, notAnId, requestFault } from "./TaskLimits.ts";

/** Shortest interval: work that is due more often than once a second is a loop in a worker. */
export const minEveryMillis = 1_000;
/** Longest interval: plans further ahead than a year belong into another tool. */
const maxEveryMillis = maxDelayMillis;
/** Longest cron expression, in characters: all minutes of a day by name are 3,000, and no person can read that. */
export const maxCronLength = 200;
/** An occurrence this late is not missed: a daemon that was started again, or a machine that was busy. */
export const lateMillis = 60_000;

/** Undefined when it says no time, or none that ever comes. */
const parse = (cron: string, timezone: string | null | undefined): Cron.Cron | undefined => {
  // A clock that is set back gives one occurrence, as a clock that is set forward does.
  const parsed = Option.getOrUndefined(
    Result.getSuccess(Cron.parse(cron, timezone ?? "UTC", { onDstOverlap: "earlier" })),
  );
  if (parsed === undefined) return undefined;
  // The thirtieth of February is searched for in vain, and then it throws.
  return Result.isSuccess(Result.try(() => Cron.next(parsed, new Date(0)))) ? parsed : undefined;
};

const maybe = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema));

export const TaskSchedule = Schema.Struct({
  request: TaskRequest,
  /** Five fields from the minute, or six from the second. */
  cron: maybe(Schema.String.check(Schema.isMaxLength(maxCronLength))),
  /** Of the cron expression, as `Europe/Berlin`. Default UTC. */
  timezone: maybe(Schema.String.check(Schema.isMaxLength(100))),
  everyMillis: maybe(Schema.Int.check(Schema.isBetween({ minimum: minEveryMillis, maximum: maxEveryMillis }))),
  /** Occurrences come after this, epoch milliseconds: when it was made, changed or resumed. */
  from: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: lastMillis })),
  /**
   * Fate of occurrences at which no daemon was there to submit them: none of them runs (`skip`), or the latest of
   * them, however many they were (`once`).
   */
  missed: Schema.Literals(["skip", "once"]),
  paused: Schema.Boolean,
  /** Overlap policy: an occurrence that is due while the task of an earlier one is open. Default `all`, which submits it. */
  overlap: maybe(Schema.Literals(["all", "skip", "queue", "replace"])),
  priority: maybe(TaskPriority),
  maxAttempts: maybe(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxAttemptsAllowed }))),
  threadId: maybe(Schema.String),
}).check(
  Schema.makeFilter(
    ({ request, threadId }) =>
      (requestFault(request) ?? (threadId == null ? undefined : notAnId("thread", threadId)))?.message,
  ),
  Schema.makeFilter(
    ({ cron, everyMillis, timezone }) =>
      (cron == null) !== (everyMillis == null) && (cron == null || parse(cron, timezone) !== undefined),
    { message: "either everyMillis, or a cron expression that has a time, with a time zone that there is" },
  ),
);
export type TaskSchedule = typeof TaskSchedule.Type;

/** The next occurrence after an instant, epoch milliseconds. Undefined: paused. */
export const next = (schedule: TaskSchedule, after: number): number | undefined => {
  const { cron, everyMillis, from, paused, timezone } = schedule;
  if (paused) return undefined;
  const begin = Math.max(after, from);
  if (everyMillis != null) return from + (Math.floor((begin - from) / everyMillis) + 1) * everyMillis;
  const parsed = cron == null ? undefined : parse(cron, timezone);
  return parsed === undefined ? undefined : Cron.next(parsed, new Date(begin)).getTime();
};

/** The last occurrence up to an instant. */
const latest = ({ cron, everyMillis, from, timezone }: TaskSchedule, now: number): number | undefined => {
  let at: number | undefined;
  if (everyMillis != null) at = from + Math.floor((now - from) / everyMillis) * everyMillis;
  const parsed = cron == null ? undefined : parse(cron, timezone);
  // `prev` is before the instant that is given, and occurrences are whole seconds.
  if (parsed !== undefined) at = Cron.prev(parsed, new Date(Math.floor(now / 1_000) * 1_000 + 1_000)).getTime();
  return at === undefined || at <= from ? undefined : at;
};

/** The occurrence before that instant; undefined before the first. */
export const previous = (schedule: TaskSchedule, at: number): number | undefined => latest(schedule, at - 1);

/** The occurrence that is to be submitted by now, if it was not; epoch milliseconds. */
export const due = (schedule: TaskSchedule, now: number): number | undefined => {
  if (schedule.paused) return undefined;
  const at = latest(schedule, now);
  if (at === undefined || (schedule.missed === "skip" && now - at > lateMillis)) return undefined;
  return at;
};

/** `nightly@2026-11-28T02:00:00.000Z` */
export const idOf = (name: string, at: number): string => `${name}@${new Date(at).toISOString()}`;
