/**
 * Watching: a thread, a task, a session, a tenant, or everything, from any process: history first, then live.
 *
 * Room: coordination.
 *
 * Promises, each a test in `test/contract/WatchContract.ts`, kept over every log:
 * - a watcher sees every event of what it watches once and in order: no gap and no duplicate where history ends and
 *   live begins, nor after it was slow, nor after the log was away;
 * - all watchers of a process cost the server one subscription, beside what they read of the past;
 * - a watcher that does not take what comes holds no other up: what waits for it is bounded, it is told that it was slow
 *   and from where it goes on, and reads what it missed from the log.
 *
 * An answer in the making, word by word, before it is an event, is `Live` (log).
 */
import { Context, Effect, Layer, Schedule, Stream } from "effect";
import { isMisfit, type LogEntry } from "../../domain/Event.ts";
import { isHistory, maxIdBytes, type Sequence } from "../../domain/History.ts";
import { EventLog, LogDamaged, type LogUnavailable } from "../../log/EventLog.ts";
import * as WholeHistory from "../../snapshot/WholeHistory.ts";
import * as WatchHub from "./WatchHub.ts";
import { WatchRefused } from "./WatchRefused.ts";

export type { Watchable } from "./WatchHub.ts";

export type Seen =
  | { readonly _tag: "Event"; readonly entry: LogEntry }
  /** Everything up to `sequence` has been seen; what follows is live. Said at the beginning and after every `Slow`. */
  | { readonly _tag: "CaughtUp"; readonly sequence: Sequence }
  /** The watcher took too long. Nothing is lost: it goes on after this sequence, and reads that from the log. */
  | { readonly _tag: "Slow"; readonly after: Sequence };

/** Watchers of one process: each may hold `maxWaitingBytes` when it is slow. */
const maxWatchers = 1_000;
/** Usual bounds of what waits for one watcher: a second of a busy store, and what a browser on a bad line is behind. */
const usualLimits: WatchHub.Limits = { maxWaiting: 1_000, maxWaitingBytes: 4 * 1024 * 1024 };

/** Largest bounds of what waits for a watcher: beyond them the log is the better place. */
const mostLimits: WatchHub.Limits = { maxWaiting: 100_000, maxWaitingBytes: 256 * 1024 * 1024 };

export interface Watching {
  /** Begin after this sequence; default 0, the whole history. `"now"`: only what comes from now on. */
  readonly after?: Sequence | "now" | undefined;
  readonly limits?: WatchHub.Limits | undefined;
}

export class Watch extends Context.Service<
  Watch,
  {
    /** Without end. Fails only when the log is damaged, or was rolled back behind `after`; waits while it is unreachable. */
    readonly watch: (what: WatchHub.Watchable, options?: Watching) => Stream.Stream<Seen, LogDamaged | WatchRefused>;
    /** Watchers at this moment. */
    readonly watchers: Effect.Effect<number>;
  }
>()("recollect/coordination/Watch") {}

const isWithin = (count: number, most: number): boolean => Number.isSafeInteger(count) && count >= 1 && count <= most;

/** Fault of what is to be watched, or of how. */
const faultOf = (what: WatchHub.Watchable, { after = 0, limits = usualLimits }: Watching) => {
  const isThinkable =
    what === "everything" ||
    isHistory("history" in what ? what.history : { tenant: what.tenant, kind: "thread", id: "any" });
  if (!isThinkable) {
    const hint = `Tenant and id have 1 to ${maxIdBytes} bytes of well-formed UTF-8.`;
    return { reason: "no event can ever have such a name", hint };
  }
  if (after !== "now" && !(Number.isSafeInteger(after) && after >= 0)) {
    return { reason: `${after} is no sequence`, hint: "Begin after a sequence that was seen, 0, or now." };
  }
  const { maxWaiting, maxWaitingBytes } = mostLimits;
  return isWithin(limits.maxWaiting, maxWaiting) && isWithin(limits.maxWaitingBytes, maxWaitingBytes)
    ? undefined
    : {
        reason: `${limits.maxWaiting} entries of ${limits.maxWaitingBytes} bytes cannot wait`,
        hint: `From 1 to ${maxWaiting} entries, and to ${maxWaitingBytes} bytes.`,
      };
};

const isOf = (what: WatchHub.Watchable, entry: LogEntry): boolean =>
  what === "everything" || (!isMisfit(entry) && "tenant" in what && entry.history.tenant === what.tenant);

/** Events of it in the log after a sequence, at least up to `upTo`. */
const past = (
  log: EventLog["Service"],
  what: WatchHub.Watchable,
  { after, upTo }: { readonly after: Sequence; readonly upTo: Sequence },
): Stream.Stream<LogEntry, LogUnavailable | LogDamaged> => {
  if (after >= upTo) return Stream.empty;
  if (what !== "everything" && "history" in what) {
    return WholeHistory.events(what.history, after).pipe(Stream.provideService(EventLog, log));
  }
  return log.follow({ after, until: upTo }).pipe(Stream.filter((entry) => isOf(what, entry)));
};

const rolledBack = (sequence: Sequence, end: Sequence) =>
  new LogDamaged({ sequence, reason: `the stream was rolled back: it ends at ${end}, and ${sequence} has been read` });

export const make = Effect.gen(function* () {
  const log = yield* EventLog;
  const hub = yield* WatchHub.make(log);
  // Retried for ever.
  const asked = Effect.orDie(Effect.retry(log.info, WatchHub.patience));

  const watch = (what: WatchHub.Watchable, { after, limits = usualLimits }: Watching = {}) =>
    Stream.unwrap(
      Effect.gen(function* () {
        const fault = faultOf(what, { after, limits });
        if (fault !== undefined) return yield* new WatchRefused(fault);
        if (hub.watchers() >= maxWatchers) {
          const reason = `${maxWatchers} watchers are there already`;
          return yield* new WatchRefused({ reason, hint: "Let several readers share one watcher." });
        }
        const { position, waiting } = yield* hub.join(what, limits);
        let last = after === "now" ? position() : (after ?? 0);
        // The log may be further than what is shared here; no watcher can have seen more than it has.
        const end = last > position() ? (yield* asked).lastSequence : position();
        if (last > end) return yield* rolledBack(last, end);

        const seen = (entry: LogEntry): Seen => {
          last = entry.sequence;
          return { _tag: "Event", entry };
        };
        const live = Effect.map(waiting.take, (entries): ReadonlyArray<Seen> => {
          const news = entries.filter(({ sequence }) => sequence > last).map(seen);
          return waiting.isBehind ? [...news, { _tag: "Slow", after: last }] : news;
        });
        /** History up to where the hub was, then what it has handed on since; until the watcher is too slow. */
        const round = Stream.suspend(() => {
          waiting.begin();
          const upTo = position();
          const history = Stream.suspend(() => past(log, what, { after: last, upTo })).pipe(
            Stream.map(seen),
            Stream.retry(($) =>
              $(WatchHub.patience).pipe(Schedule.while(({ input }) => input._tag === "LogUnavailable")),
            ),
            // Retried for ever.
            Stream.catchTag("LogUnavailable", Stream.die),
          );
          const caughtUp = Stream.sync((): Seen => {
            last = Math.max(last, upTo);
            return { _tag: "CaughtUp", sequence: last };
          });
          const later = Stream.fromEffectRepeat(live).pipe(
            Stream.flattenIterable,
            Stream.takeUntil(({ _tag }) => _tag === "Slow"),
          );
          return Stream.concat(Stream.concat(history, caughtUp), later);
        });
        return Stream.forever(round);
      }),
    );

  return Watch.of({ watch, watchers: Effect.sync(hub.watchers) });
});

export const layer = Layer.effect(Watch, make);
