/**
 * Channels over core NATS, on the program's one connection.
 *
 * Room: log.
 *
 * `recollect-live.<tenant>.channel.<name>` lies where live deltas lie: the rights to those are the rights to these, and no
 * stream listens there.
 */
import { Effect, Layer } from "effect";
import { fitsUtf8 } from "../../domain/Json.ts";
import { LogUnavailable } from "../EventLog.ts";
import { type Open, SharedConnection } from "../connection/SharedConnection.ts";
import { encodeToken, root } from "../Subject.ts";
import { ChannelRefused, Channels } from "./Channels.ts";

/** Payload that every server takes, where this one has not said it yet. */
const leastPayloadBytes = 64 * 1024;
/** Patience for a server to confirm a subscription, milliseconds. */
const flushMillis = 2_000;

const subjectOf = ({ name, tenant }: { readonly tenant: string; readonly name: string }): string =>
  `${root}-live.${encodeToken(tenant)}.channel.${encodeToken(name)}`;

/** Returns how to end it. */
const hearOn = ({ connection }: Open, subject: string, hear: (text: string) => void): (() => void) => {
  const subscription = connection.nc.subscribe(subject, {
    callback: (error, message) => {
      if (error === null) hear(message.string());
    },
  });
  return () => subscription.unsubscribe();
};

const away = new LogUnavailable({
  reason: "the server is unreachable, so nothing can be said on a channel",
  hint: "Try again when it is back: recollect status says why.",
});

export const layer = Layer.effect(
  Channels,
  Effect.gen(function* () {
    const shared = yield* SharedConnection;
    const publish: Channels["Service"]["publish"] = (channel, text) =>
      Effect.gen(function* () {
        yield* shared.reached;
        const open = shared.now();
        if (open === undefined) return yield* away;
        const most = open.connection.nc.info?.max_payload ?? leastPayloadBytes;
        if (!fitsUtf8(text, most)) {
          const message = `The text has more than ${most} bytes, the most that the server takes in one message.`;
          return yield* new ChannelRefused({ message, hint: "Publish it in several texts." });
        }
        open.connection.nc.publish(subjectOf(channel), text);
      });
    const subscribe: Channels["Service"]["subscribe"] = Effect.fnUntraced(function* (channel, hear) {
      const { connection } = yield* shared.reached;
      // A connection's own scope outlives ours: what it hears is ended here.
      let end: (() => void) | undefined;
      yield* Effect.addFinalizer(() => Effect.sync(() => end?.()));
      yield* shared.each((open) =>
        Effect.sync(() => {
          end = hearOn(open, subjectOf(channel), hear);
        }),
      );
      // The server has it before the caller goes on: what is published then is heard.
      yield* Effect.tryPromise({ try: () => connection.nc.flush(), catch: () => away }).pipe(
        Effect.timeoutOrElse({ duration: flushMillis, orElse: () => Effect.fail(away) }),
      );
    });
    return Channels.of({ publish, subscribe });
  }),
);
