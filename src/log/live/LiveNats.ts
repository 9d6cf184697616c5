/**
 * Live deltas over core NATS: at most once, nothing stored, on subjects that the stream does not listen to.
 *
 * Room: log.
 *
 * `recollect-live.<tenant>.<kind>.<id>` carries what is said, `recollect-live-ask.<tenant>.<kind>.<id>.<message id>`
 * asks what was said so far. The stream takes `recollect.*.*.*`: these begin with another token.
 *
 * Decision: a connection of its own, made at the first answer, because a delta must not wait behind a batch of durable
 * events, nor they behind thousands of deltas.
 */
import { Effect, Layer, Option, Result, Schedule, Schema, Scope } from "effect";
import type { History } from "../../domain/History.ts";
import { fitsUtf8 } from "../../domain/Json.ts";
import { Live, LiveSaid, LiveSoFar, listening } from "./Live.ts";
import * as NatsConnection from "../connection/NatsConnectionNats.ts";
import type { StreamGuard } from "../connection/StreamGuardNats.ts";
import { ask } from "../connection/RequestNats.ts";
import { encodeToken, root, subjectOf } from "../Subject.ts";

type Connection = NatsConnection.NatsConnection["Service"];

/** Who says the answer is on the same network, and answers from memory. */
const askMillis = 1_000;
/** What every server takes, where this one has not said it yet. */
const leastPayloadBytes = 64 * 1024;
/** How often a server that is away is looked for while somebody says something. */
const retryMillis = 2_000;

/** Where the deltas of a history go. */
export const liveSubjectOf = (history: History): string => subjectOf(history, `${root}-live`);
const askSubjectOf = (history: History, messageId: string): string =>
  `${subjectOf(history, `${root}-live-ask`)}.${encodeToken(messageId)}`;

const decodeSaid = Schema.decodeUnknownResult(Schema.fromJsonString(LiveSaid));
const decodeSoFar = Schema.decodeUnknownResult(Schema.fromJsonString(LiveSoFar));

/** Whether the server takes a message of this text. One that it does not take would end the connection. */
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
            // What another program says there in another shape is nobody's delta.
            const said = error === null ? decodeSaid(message.string()) : undefined;
            if (said !== undefined && Result.isSuccess(said)) hear(said.success);
          },
        });
        return () => subscription.unsubscribe();
      }),
  });

export const layer = Layer.effect(Live, Effect.map(NatsConnection.NatsConnection, over));

interface Answering {
  readonly history: History;
  readonly messageId: string;
  readonly soFar: () => LiveSoFar;
  end: (() => void) | undefined;
}

/**
 * For a publisher: connected when the first answer begins, looked for as long as answers are being said, and silent
 * while there is no server. It never listens, so `ask` has no answer and `listen` hears nothing.
 */
export const layerWhenNeeded = (options: {
  /** Where the server is at this moment; none when nobody runs one. */
  readonly address: Effect.Effect<Option.Option<string>>;
  readonly name?: string | undefined;
  /** Says whether the server has the stream that is meant. */
  readonly guard?: (() => StreamGuard) | undefined;
}) =>
  Layer.effect(
    Live,
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      const answering = new Set<Answering>();
      let connection: Connection | undefined;
      let isDialling = false;

      const dial = Effect.gen(function* () {
        const url = yield* options.address;
        if (Option.isNone(url)) return yield* Effect.fail("nobody runs a server");
        const made = yield* NatsConnection.make({
          servers: url.value,
          name: options.name ?? root,
          guard: options.guard?.(),
        });
        connection = made;
        for (const one of answering) one.end = answerOn(made, one.history, one.messageId, one.soFar);
      }).pipe(
        Scope.provide(scope),
        Effect.retry({ schedule: Schedule.spaced(retryMillis), while: () => answering.size > 0 }),
        Effect.ignore,
        Effect.ensuring(Effect.sync(() => (isDialling = false))),
      );

      return Live.of({
        tell: (history, said) => {
          if (connection !== undefined) tellOn(connection, history, said);
        },
        answerFor: Effect.fnUntraced(function* (history, messageId, soFar) {
          const one: Answering = { history, messageId, soFar, end: undefined };
          yield* Effect.acquireRelease(
            Effect.sync(() => answering.add(one)),
            () =>
              Effect.sync(() => {
                answering.delete(one);
                one.end?.();
              }),
          );
          if (connection !== undefined) one.end = answerOn(connection, history, messageId, soFar);
          else if (!isDialling) {
            isDialling = true;
            yield* Effect.forkIn(dial, scope);
          }
        }),
        ask: () => Effect.succeed(undefined),
        listen: () => listening(() => () => undefined),
      });
    }),
  );
