/** Things that stand between a client and a server, or pretend to be one: for tests of what the network does. */
import { Effect } from "effect";
import { createConnection, createServer, type Socket } from "node:net";

const listen = (onConnection: (socket: Socket) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void; readonly connections: () => number }>(
      (resume) => {
        const sockets = new Set<Socket>();
        const server = createServer((socket) => {
          sockets.add(socket);
          socket.on("error", () => socket.destroy());
          socket.on("close", () => sockets.delete(socket));
          onConnection(socket);
        });
        server.listen(0, "127.0.0.1", () => {
          const address = server.address();
          const port = typeof address === "object" && address !== null ? address.port : 0;
          const close = () => {
            server.close();
            for (const socket of sockets) socket.destroy();
          };
          resume(Effect.succeed({ url: `nats://127.0.0.1:${port}`, close, connections: () => sockets.size }));
        });
      },
    ),
    ({ close }) => Effect.sync(close),
  );

/** Passes everything on until told otherwise. */
export const proxy = (target: string) =>
  Effect.gen(function* () {
    const { hostname, port } = new URL(target);
    const pairs = new Set<readonly [Socket, Socket]>();
    const state = { mute: false, closed: false };
    const { url } = yield* listen((client) => {
      if (state.closed) {
        client.destroy();
        return;
      }
      const server = createConnection({ host: hostname, port: Number(port) });
      const pair = [client, server] as const;
      pairs.add(pair);
      client.on("data", (bytes) => server.write(bytes));
      server.on("data", (bytes) => state.mute || client.write(bytes));
      for (const [one, other] of [pair, [server, client] as const]) {
        one.on("error", () => other.destroy());
        one.on("close", () => {
          pairs.delete(pair);
          other.destroy();
        });
      }
    });
    const cut = Effect.sync(() => {
      for (const [client] of pairs) client.destroy();
    });
    return {
      url,
      connections: () => pairs.size,
      /** What the server says is thrown away. */
      mute: Effect.sync(() => {
        state.mute = true;
      }),
      unmute: Effect.sync(() => {
        state.mute = false;
      }),
      /** Ends all connections; new ones are taken. */
      cut,
      /** Ends all connections, and every new one too, until `open`. */
      close: Effect.andThen(
        Effect.sync(() => {
          state.closed = true;
        }),
        cut,
      ),
      open: Effect.sync(() => {
        state.closed = false;
      }),
    };
  });

/** A server that says only hello, and answers pings, or as it is told. */
export const pretend = (info: { readonly version: string; readonly jetstream: boolean }, answer = "PONG") =>
  listen((socket) => {
    const hello = {
      server_id: "x",
      server_name: "x",
      host: "127.0.0.1",
      port: 1,
      headers: true,
      max_payload: 1_048_576,
      proto: 1,
      ...info,
    };
    socket.write(`INFO ${JSON.stringify(hello)}\r\n`);
    socket.on("data", (bytes) => {
      if (bytes.toString("latin1").includes("PING")) socket.write(`${answer}\r\n`);
    });
  });

/** A server that takes connections and says nothing at all. */
export const silent = listen(() => undefined);
