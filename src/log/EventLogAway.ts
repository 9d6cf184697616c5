/**
 * The event log of a server that may be away: each call is the log's own, or fails with `LogUnavailable`.
 *
 * Room: log.
 *
 * Where `EventLogNats` fails when its server is not there, this one answers every call with the reason until it is, so
 * that a publisher can begin first.
 */
import { Context, Deferred, Effect, Layer, Stream } from "effect";
import { type Open, SharedConnection } from "./connection/SharedConnection.ts";
import { EventLog } from "./EventLog.ts";
import * as EventLogNats from "./EventLogNats.ts";

type Log = EventLog["Service"];

interface Reached {
  readonly open: Open;
  readonly log: Log;
}

/** One object, so that every user of a connection gets the same log. */
export const essential = EventLogNats.layer();

export const layer = Layer.effect(
  EventLog,
  Effect.gen(function* () {
    const shared = yield* SharedConnection;
    let known: Reached | undefined;
    const made = Effect.map(
      shared.over(essential),
      ({ made: services, open }): Reached => (known = { open, log: Context.get(services, EventLog) }),
    );
    /** The log of the connection at hand: looked up once for each, because every append asks. */
    const reached = Effect.flatMap(shared.reached, (open) => (known?.open === open ? Effect.succeed(known) : made));
    /** Asks a connection; one that is given up meanwhile ends the question before its patience. */
    const ask = <A, E>(question: (log: Log) => Effect.Effect<A, E>) =>
      Effect.flatMap(reached, ({ log, open }) => Effect.raceFirst(question(log), Deferred.await(open.givenUp)));
    return EventLog.of({
      // By itself it fails within two seconds of the loss, and a race takes two fibers.
      append: (append) => Effect.flatMap(reached, ({ log }) => log.append(append)),
      appendAll: (appends) => ask((log) => log.appendAll(appends)),
      read: (reading) => Stream.unwrap(Effect.map(reached, ({ log }) => log.read(reading))),
      whole: (after) => ask((log) => log.whole(after)),
      last: (history) => ask((log) => log.last(history)),
      at: (sequence) => ask((log) => log.at(sequence)),
      follow: (following) =>
        Stream.unwrap(
          Effect.map(reached, ({ log, open }) =>
            log.follow(following).pipe(Stream.interruptWhen(Deferred.await(open.givenUp))),
          ),
        ),
      info: ask((log) => log.info),
      putBlob: (bytes) => ask((log) => log.putBlob(bytes)),
      getBlob: (sha256) => ask((log) => log.getBlob(sha256)),
    });
  }),
);
