/**
 * A log with a switch: there, away, hanging, or slow; and a count of what it was asked.
 *
 * Around a real log, because away and slow must be tried at moments that a real server does not offer.
 */
import { Effect, Layer, Stream } from "effect";
import { type Append, EventLog, LogUnavailable } from "../../src/log/EventLog.ts";

/** `deniedMillis`: after so long it says that we may not. */
export type Switch = "there" | "away" | "hanging" | { readonly slowMillis: number } | { readonly deniedMillis: number };

const denied = new LogUnavailable({ reason: "refused by the test", denied: "connect" });

export const away = new LogUnavailable({ reason: "switched off by the test" });

/** The switch; the log behind it is the layer's. */
export class LogSwitch {
  position: Switch = "there";
  /** Events that the log was asked to append, by id, in the order of asking. */
  readonly asked: Array<string> = [];
  /** How often it was asked for anything. */
  questions = 0;

  through<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | LogUnavailable, R> {
    return Effect.suspend((): Effect.Effect<A, E | LogUnavailable, R> => {
      const { position } = this;
      this.questions++;
      if (position === "away") return Effect.fail(away);
      if (position === "hanging") return Effect.never;
      if (position === "there") return effect;
      if ("deniedMillis" in position) return Effect.delay(Effect.fail(denied), position.deniedMillis);
      return Effect.delay(effect, position.slowMillis);
    });
  }
}

const note = (to: LogSwitch, appends: ReadonlyArray<Append>) =>
  to.asked.push(...appends.flatMap(({ events }) => events.map(({ id }) => id)));

/** Puts `to` in front of the log that is there. */
export const layer = (to: LogSwitch) =>
  Layer.effect(
    EventLog,
    Effect.map(EventLog, (log) =>
      EventLog.of({
        ...log,
        append: (append) => {
          note(to, [append]);
          return to.through(log.append(append));
        },
        appendAll: (appends) => {
          note(to, appends);
          return to.through(log.appendAll(appends));
        },
        read: (reading) => Stream.unwrap(to.through(Effect.succeed(log.read(reading)))),
        last: (history) => to.through(log.last(history)),
        info: to.through(log.info),
        putBlob: (bytes) => to.through(log.putBlob(bytes)),
      }),
    ),
  );
