/**
 * A free TCP port of this machine.
 *
 * Room: machine.
 *
 * Decision: ports come from 20000 to 31999, below the range that Linux (32768 and up) and macOS (49152 and up) give to
 * outgoing connections. A client that keeps dialling a port of that range on its own machine can be given the same
 * port as its own end and then talks to itself, holding the port a restarted server needs.
 */
import { Effect, Random, Schema } from "effect";
import { createServer } from "node:net";

/** No free port was found, which means that something is wrong with this machine's network. */
export class NoFreePort extends Schema.TaggedError<NoFreePort>()("NoFreePort", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const lowest = 20_000;
const highest = 31_999;
/** With half of the range taken, 64 attempts all fail once in 2^64. */
const attempts = 64;

/** True when a server could listen on this port now. Says nothing about the next moment: retry what you start on it. */
export const isFree = (options: { readonly host: string; readonly port: number }): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const server = createServer();
    server.unref();
    server.once("error", () => resume(Effect.succeed(false)));
    server.listen({ host: options.host, port: options.port, exclusive: true }, () =>
      server.close(() => resume(Effect.succeed(true))),
    );
  });

/** A port that was free a moment ago. */
export const find = Effect.fnUntraced(function* (host: string) {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const port = yield* Random.nextIntBetween(lowest, highest);
    if (yield* isFree({ host, port })) return port;
  }
  return yield* new NoFreePort({
    message: `No free port was found on ${host} between ${lowest} and ${highest}.`,
    hint: "See whether the loopback interface is up, and what is listening on so many ports.",
  });
});
