/**
 * The HTTP door of a daemon: an address at once, its routes when they are asked for or the start is over.
 *
 * Room: main.
 */
import { Clock, Effect, FileSystem, Layer, Option, Schema } from "effect";
import * as Listener from "../../edge/http/Listener.ts";
import type { ClientOptions } from "../../edge/http/TenantClients.ts";
import * as HttpTokens from "../../log/access/HttpTokens.ts";
import { DataFolder } from "../../machine/DataFolder.ts";
import * as Listen from "../../machine/Listen.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

/** Ours while it is free: no service that is widely known listens there. */
const usualPort = 4280;
const loopback = "127.0.0.1";
/** A start is over by then; whoever asks sooner does not wait for it. */
const startMillis = 1_000;

export interface Options {
  /** Undefined: the port of last time, else 4280, else a free one. A port that is named and taken is an error. */
  readonly port: number | undefined;
  /** Identity of the door's clients towards a server that is not the folder's own. */
  readonly access?: ClientOptions["access"];
  /** Address for other machines, under TLS. */
  readonly listen?: Listen.Listen | undefined;
}

/** The port that was asked for cannot be had. */
export class HttpPortTaken extends Schema.TaggedError<HttpPortTaken>()("HttpPortTaken", {
  message: Schema.String,
  hint: Schema.String,
}) {}

/** Listeners of the door: for this machine, and under TLS what others reach. */
export interface Doors {
  readonly inside: Listener.Listener;
  readonly outside?: Listener.Listener | undefined;
  /** Names of the outside one. */
  readonly names: ReadonlyArray<string>;
}

const portFile = Effect.map(DataFolder, ({ root }) => `${root}/http-port`);

const lastPort = Effect.gen(function* () {
  const text = yield* Effect.option(OwnFile.text(yield* portFile));
  const last = Number(Option.getOrElse(text, () => ""));
  return Number.isInteger(last) && last > 0 && last < 65_536 ? [last] : [];
});

/** The door for other machines, at the port behind the inside one's, else a free one. */
const outsideOf = Effect.fnUntraced(
  function* (listen: Listen.Listen, port: number) {
    const tls = yield* Listen.filesOf(listen);
    const outside = yield* Listener.listen({ host: listen.address, ports: [port + 1, 0], tls });
    if (outside === undefined) yield* Effect.logWarning(`no port of ${listen.address} can be listened on for HTTP`);
    return { outside, names: [listen.address, ...Listen.namesIn(tls.cert)] };
  },
  Effect.catch(({ message }) => Effect.as(Effect.logWarning(`HTTP: ${message}`), { outside: undefined, names: [] })),
);

/** Listens, and makes this user's own token. A hindrance is said, and the daemon runs without the door. */
export const listening = Effect.fn("main.listening")(function* ({ listen, port }: Options) {
  const fs = yield* FileSystem.FileSystem;
  const { root } = yield* DataFolder;
  const remembered = yield* lastPort;
  const wishes = port === undefined ? [...remembered, usualPort] : [port];
  const listener = yield* Listener.listen({ host: loopback, ports: port === undefined ? [...wishes, 0] : wishes });
  if (listener === undefined && port !== undefined) {
    return yield* new HttpPortTaken({
      message: `The port ${port} of ${loopback} cannot be listened on: it is taken, or this user may not.`,
      hint: "Name another with --http-port, or leave it out: a free one is then found.",
    });
  }
  if (listener === undefined) {
    yield* Effect.logWarning(`no port of ${loopback} can be listened on; the store runs without its HTTP door`);
    return undefined;
  }
  const [wished] = wishes;
  if (listener.port !== wished) {
    yield* Effect.logWarning(`port ${wished} is taken, so HTTP is served at ${listener.url}`);
  }
  const prepared = Effect.gen(function* () {
    yield* HttpTokens.ensureLocal(root, yield* Clock.currentTimeMillis);
    // A port of one start is none to stay at: the one before is free again at the next.
    if (port === undefined && remembered.length > 0) return;
    yield* fs.writeFileString(yield* portFile, `${listener.port}\n`, { mode: 0o600 });
  });
  yield* prepared.pipe(Effect.catch(({ message }) => Effect.logWarning(`HTTP: ${message}`)));
  const others = listen === undefined ? { outside: undefined, names: [] } : yield* outsideOf(listen, listener.port);
  const doors: Doors = { inside: listener, ...others };
  return doors;
});

const served = Effect.fnUntraced(function* (doors: Doors, client: ClientOptions) {
  const { inside, outside } = doors;
  const knocked = outside === undefined ? inside.knocked : Effect.raceFirst(inside.knocked, outside.knocked);
  yield* Effect.raceFirst(knocked, Effect.sleep(startMillis));
  const { serve } = yield* Effect.promise(() => import("./HttpServed.ts"));
  yield* serve(doors, client);
});

/** Answers for routes that cannot be loaded. */
const notServed: Listener.Handler = (_request, response) => {
  response
    .writeHead(503, { "content-type": "text/plain" })
    .end("HTTP cannot be served: see the log of recollect up.\n");
};

/** Serves until the scope closes, which answers what was accepted before anything it needs is let go. */
export const layer = (doors: Doors | undefined, client: ClientOptions) =>
  doors === undefined
    ? Layer.empty
    : Layer.effectDiscard(
        served(doors, client).pipe(
          Effect.catchCause((cause) =>
            Effect.andThen(Effect.logError("HTTP is not served", cause), doors.inside.serve(notServed)),
          ),
          Effect.forkScoped,
        ),
      );
