/**
 * The TCP side of the HTTP door: a Node server that listens at once, and is given its routes later.
 *
 * Room: edge.
 *
 * Promises: a port that is taken is never a failure, but the next wish; requests that come before the routes are there
 * wait for them; on close nothing new is accepted, what was accepted is answered within `drainMillis`, and the rest is
 * cut, so that an open stream cannot hold up the end; a request that names two hosts is answered 400 (RFC 9112, 3.2).
 *
 * Decision: routes are loaded with the first request or once a start is over, because router, API and their Schemas cost
 * 0.1 s of processor, which a start that serves no HTTP does not pay.
 */
import { Deferred, Effect, type Scope } from "effect";
import { createServer, type IncomingMessage, maxHeaderSize, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** For example `http://127.0.0.1:4280`. */
  readonly url: string;
  /** Completes when the first request has come. */
  readonly knocked: Effect.Effect<void>;
  /** Completes when the door closes: answers that go on end then. */
  readonly closing: Effect.Effect<void>;
  /** Requests are answered by `handler` until the scope closes, which drains. */
  readonly serve: (handler: Handler) => Effect.Effect<void, never, Scope.Scope>;
}

export interface ListenOptions {
  readonly host: string;
  /** In order; 0 is any free port. */
  readonly ports: ReadonlyArray<number>;
  /** Certificate and key, PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** Bounds what a client may hold: headers within 10 s, a whole request within a minute, idle connections 65 s. */
const headersTimeout = 10_000;
const requestTimeout = 60_000;
const keepAliveTimeout = 65_000;
/** Poll interval for connections that are over their time. Node's own is 30 s, which would be three times our headers'. */
const connectionsCheckingInterval = 2_000;
/** A connection costs memory; beyond so many the operating system keeps them waiting. */
const maxConnections = 4_096;
/** Requests that wait for the routes. They come within the first second of a daemon's life. */
const mostHeld = 256;
/** Patience for accepted requests when the door is closed, milliseconds. */
const drainMillis = 5_000;

type Held = readonly [IncomingMessage, ServerResponse];

const tooLarge = JSON.stringify({
  type: "urn:recollect:problem:headers",
  title: "Request header fields too large",
  status: 431,
  detail: `Address and headers of this request are larger than ${maxHeaderSize / 1024} KiB.`,
  code: "headers",
  hint: "Send what is long in the body of a POST.",
});

/** Lines of Node's own answers to what it cannot read, and words for an address that is too long. */
const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: `431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(tooLarge)}\r\nconnection: close\r\n\r\n${tooLarge}`,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: "413 Payload Too Large\r\nconnection: close\r\n\r\n",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout\r\nconnection: close\r\n\r\n",
};

/** Node asks for its own end of a connection where an answer has begun or nothing can be written. */
const refuseUnread = (error: NodeJS.ErrnoException, socket: Duplex): void => {
  const isAnswered = ("_httpMessage" in socket && socket._httpMessage != null) || !socket.writable;
  if (isAnswered || error.code === "ECONNRESET") return void socket.destroy();
  socket.end(`HTTP/1.1 ${refusals[error.code ?? ""] ?? "400 Bad Request\r\nconnection: close\r\n\r\n"}`);
};

const twoHosts = JSON.stringify({
  type: "urn:recollect:problem:host",
  title: "Bad request",
  status: 400,
  detail: "This request names its host twice.",
  code: "host",
  hint: "Send one Host header.",
});

const noExpectation = JSON.stringify({
  type: "urn:recollect:problem:expectation",
  title: "Expectation failed",
  status: 417,
  detail: "This door expects nothing but 100-continue.",
  code: "expectation",
  hint: "Leave the header Expect out.",
});

/** Node keeps the first of two, and what stands between may have gone by the second. */
const namesTwoHosts = ({ rawHeaders }: IncomingMessage): boolean => {
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  return hosts > 1;
};

const listenOn = (server: Server, host: string, port: number): Effect.Effect<number | undefined> =>
  Effect.callback((resume) => {
    const failed = () => resume(Effect.succeed(undefined));
    server.once("error", failed);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", failed);
      resume(Effect.succeed((server.address() as AddressInfo).port));
    });
  });

const closed = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!server.listening) return resume(Effect.void);
    server.close(() => resume(Effect.void));
    server.closeIdleConnections();
  });

/** Nothing new is accepted, and what was accepted is answered; what takes longer is cut. */
const drained = (server: Server) =>
  closed(server).pipe(
    Effect.timeoutOption(drainMillis),
    Effect.andThen(Effect.sync(() => server.closeAllConnections())),
  );

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** Listens on the first wish that is free; undefined when none is. */
export const listen = Effect.fn("http.listen")(function* ({ host, ports, tls }: ListenOptions) {
  const timeouts = { headersTimeout, requestTimeout, keepAliveTimeout, connectionsCheckingInterval };
  const server = tls === undefined ? createServer(timeouts) : createTlsServer({ ...timeouts, ...tls });
  server.maxConnections = maxConnections;
  const knock = yield* Deferred.make<void>();
  const close = yield* Deferred.make<void>();
  const held: Array<Held> = [];
  let handler: Handler | undefined;
  const accept: Handler = (request, response) => {
    if (namesTwoHosts(request)) {
      response.writeHead(400, { "content-type": "application/problem+json", connection: "close" }).end(twoHosts);
      return;
    }
    if (handler !== undefined) return handler(request, response);
    Deferred.doneUnsafe(knock, Effect.void);
    if (held.length < mostHeld) return void held.push([request, response]);
    response.writeHead(503, { "retry-after": "1" }).end();
  };
  server.on("request", accept);
  server.on("checkExpectation", (_, response) => {
    response.writeHead(417, { "content-type": "application/problem+json", connection: "close" }).end(noExpectation);
  });
  server.on("clientError", refuseUnread);
  let port: number | undefined;
  for (const wish of ports) {
    port = yield* listenOn(server, host, wish);
    if (port !== undefined) break;
  }
  if (port === undefined) return undefined;
  // A connection that breaks is the client's affair.
  server.on("error", () => undefined);
  yield* Effect.addFinalizer(() => drained(server));
  const serve = (given: Handler) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        handler = given;
        for (const [request, response] of held.splice(0)) given(request, response);
      }),
      () => Effect.andThen(Deferred.succeed(close, undefined), drained(server)),
    ).pipe(Effect.asVoid);
  const url = `${tls === undefined ? "http" : "https"}://${bracketed(host)}:${port}`;
  return { host, port, url, knocked: Deferred.await(knock), closing: Deferred.await(close), serve } satisfies Listener;
});
