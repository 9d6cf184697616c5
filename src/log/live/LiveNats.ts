/**
 * Live deltas over core NATS: at most once, nothing stored, on subjects that the stream does not listen to.
 *
 * Room: log.
 *
 * `recollect-live.<tenant>.<kind>.<id>` carries what is said, `recollect-live-ask.<tenant>.<kind>.<id>.<message id>`
 * asks what was said so far. The stream takes `recollect.*.*.*`: these begin with another token.
 *
 * Decision: over the one connection of the program, because a second socket for each publisher costs the server more
 * than a delta that waits behind a batch: a group of 1,000 small events is on its way for some milliseconds.
 */
import { Deferred, Effect, Layer, Result, Schema, Stream } from "effect";
import type { History } from "../../domain/History.ts";
import { fitsUtf8 } from "../../domain/Json.ts";
import { backoff } from "../connection/Backoff.ts";
import { SharedConnection } from "../connection/SharedConnection.ts";
import { Live, LiveSaid, LiveSoFar, listening } from "./Live.ts";
import * as NatsConnection from "../connection/NatsConnectionNats.ts";
import { ask } from "../connection/RequestNats.ts";
import { encodeToken, root, subjectOf } from "../Subject.ts";

type Connection = NatsConnection.NatsConnection["Service"];

/** Patience for the publisher of the answer, which is on the same network and answers from memory, milliseconds. */
const askMillis = 1_000;
/** Payload that every server takes, where this one has not said it yet. */
const leastPayloadBytes = 64 * 1024;

/** Subject of the deltas of a history. */
export const liveSubjectOf = (history: History): string => subjectOf(history, `${root}-live`);
const askSubjectOf = (history: History, messageId: string): string =>
  `${subjectOf(history, `${root}-live-ask`)}.${encodeToken(messageId)}`;

const decodeSaid = Schema.decodeUnknownResult(Schema.fromJsonString(LiveSaid));
const decodeSoFar = Schema.decodeUnknownResult(Schema.fromJsonString(LiveSoFar));

/** True when the server takes a message of this text. One that it does not take would end the connection. */
const fits = ({ nc }: Connection, text: string): boolean => fitsUtf8(text, nc.info?.max_payload ?? leastPayloadBytes);

/**
 * Drops what is said while the connection is away: the client would keep all of it in memory. Drops what is larger
 * than a message, too: whoever watches sees by the next number that it missed something, and asks for it.
 */
const tellOn = (connection: Connection, history: History, said: LiveSaid): void => {
  const { link, nc } = connection;
  if (!link.connected || nc.isClosed()) return;
  const text = JSON.stringify(said);
  if (fits(connection, text)) nc.publish(liveSubjectOf(history), text);
};

/** Returns how to end it. An answer that has become larger than a message is answered by nothing: the log will have it. */
const answerOn = (
  connection: Connection,
  history: History,
  messageId: string,
  soFar: () => LiveSoFar,
): (() => void) => {
  const subscription = connection.nc.subscribe(askSubjectOf(history, messageId), {
    callback: (error, message) => {
      if (error !== null) return;
      const text = JSON.stringify(soFar());
      message.respond(fits(connection, text) ? text : "");
    },
  });
  return () => subscription.unsubscribe();
};

/** On a connection that is there. */
export const over = (connection: Connection): Live["Service"] =>
  Live.of({
    tell: (history, said) => tellOn(connection, history, said),
    answerFor: (history, messageId, soFar) =>
      Effect.acquireRelease(
        Effect.sync(() => answerOn(connection, history, messageId, soFar)),
        (end) => Effect.sync(end),
      ),
    ask: (history, messageId) =>
      Effect.promise(() =>
        ask(connection.nc, connection.link, { subject: askSubjectOf(history, messageId), timeoutMillis: askMillis }),
      ).pipe(
        Effect.map((answer) => {
          if (answer._tag === "NoAnswer") return undefined;
          return Result.getOrUndefined(decodeSoFar(answer.message.string()));
        }),
      ),
    listen: (history) =>
      listening((hear) => {
        const subscription = connection.nc.subscribe(liveSubjectOf(history), {
          callback: (error, message) => {
            // Another program's message in another shape is no delta.
            const said = error === null ? decodeSaid(message.string()) : undefined;
            if (said !== undefined && Result.isSuccess(said)) hear(said.success);
          },
        });
        return () => subscription.unsubscribe();
      }),
  });

export const layer = Layer.effect(Live, Effect.map(NatsConnection.NatsConnection, over));

/**
 * Over a connection that may be away: while it is, deltas are dropped, questions have no answer, and a listener hears nothing
 * until it is there.
 */
export const layerAway = Layer.effect(
  Live,
  Effect.gen(function* () {
    const shared = yield* SharedConnection;
    return Live.of({
      tell: (history, said) => {
        const open = shared.now();
        if (open !== undefined) tellOn(open.connection, history, said);
      },
      answerFor: Effect.fnUntraced(function* (history, messageId, soFar) {
        let end: (() => void) | undefined;
        yield* Effect.addFinalizer(() => Effect.sync(() => end?.()));
        yield* shared.each(({ connection }) =>
          Effect.sync(() => {
            end = answerOn(connection, history, messageId, soFar);
          }),
        );
      }),
      ask: (history, messageId) =>
        shared.reached.pipe(
          Effect.flatMap(({ connection }) => over(connection).ask(history, messageId)),
          Effect.orElseSucceed(() => undefined),
        ),
      listen: (history) =>
        Stream.unwrap(
          Effect.map(Effect.orDie(Effect.retry(shared.reached, backoff)), ({ connection, givenUp }) =>
            over(connection)
              .listen(history)
              .pipe(Stream.interruptWhen(Effect.ignore(Deferred.await(givenUp)))),
          ),
        ).pipe(Stream.forever),
    });
  }),
);
