/**
 * The event log of a server that may be away: each call is the log's own, or fails with `LogUnavailable`.
 *
 * Room: log.
 *
 * Where `EventLogNats` fails when its server is not there, this one answers every call with the reason until it is, so
 * that a publisher can begin first.
 */
import { Context, Deferred, Effect, Layer, Stream } from "effect";
import { SharedConnection } from "./connection/SharedConnection.ts";
import { EventLog } from "./EventLog.ts";
import * as EventLogNats from "./EventLogNats.ts";

type Log = EventLog["Service"];

/** One object, so that every user of a connection gets the same log. */
export const essential = EventLogNats.layer();

export const layer = Layer.effect(
  EventLog,
  Effect.gen(function* () {
    const shared = yield* SharedConnection;
    const reached = Effect.map(shared.over(essential), ({ made, open }) => ({
      log: Context.get(made, EventLog),
      givenUp: open.givenUp,
    }));
    /** Asks a connection; one that is given up meanwhile ends the question before its patience. */
    const ask = <A, E>(question: (log: Log) => Effect.Effect<A, E>) =>
      Effect.flatMap(reached, ({ givenUp, log }) => Effect.raceFirst(question(log), Deferred.await(givenUp)));
    /** The writer's own patience with a lost connection is two seconds: a race for each append would gain one of them. */
    const write = <A, E>(use: (log: Log) => Effect.Effect<A, E>) => Effect.flatMap(reached, ({ log }) => use(log));
    return EventLog.of({
      append: (append) => write((log) => log.append(append)),
      appendAll: (appends) => write((log) => log.appendAll(appends)),
      read: (reading) => Stream.unwrap(Effect.map(reached, ({ log }) => log.read(reading))),
      whole: (after) => ask((log) => log.whole(after)),
      last: (history) => ask((log) => log.last(history)),
      at: (sequence) => ask((log) => log.at(sequence)),
      follow: (following) =>
        Stream.unwrap(
          Effect.map(reached, ({ givenUp, log }) =>
            log.follow(following).pipe(Stream.interruptWhen(Deferred.await(givenUp))),
          ),
        ),
      info: ask((log) => log.info),
      putBlob: (bytes, tenant) => ask((log) => log.putBlob(bytes, tenant)),
      getBlob: (sha256) => ask((log) => log.getBlob(sha256)),
    });
  }),
);
