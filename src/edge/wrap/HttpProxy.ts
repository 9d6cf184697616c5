/**
 * The proxy for servers of streamable HTTP: a port of this machine, behind which is the server of an address.
 *
 * Room: edge.
 *
 * Plain Node, as its sister for stdio: every request goes on as it came, every byte of an answer comes back as it is sent, and
 * the tap is told of copies. Whatever calls it by another name than this machine's, or from a page, is refused: a proxy
 * with a user's credentials is no door for web pages.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { Copy, type Told } from "./HttpCopies.ts";

const loopback = "127.0.0.1";

/** Of one connection, and not of what is passed on; `accept-encoding` too, because copies are read. */
const hops = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "accept-encoding",
  "content-length",
]);

const passedOn = (headers: IncomingHttpHeaders): Record<string, string | ReadonlyArray<string>> =>
  Object.fromEntries(
    Object.entries(headers).filter(
      (entry): entry is [string, string | Array<string>] => entry[1] !== undefined && !hops.has(entry[0]),
    ),
  ) as Record<string, string | ReadonlyArray<string>>;

/** Called by a name of this machine, and by no page: browsers say where a request is from, those for pictures without an origin. */
const isOurs = ({ headers }: IncomingMessage): boolean =>
  /^(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?$/i.test(headers.host ?? "") &&
  headers.origin === undefined &&
  headers["sec-fetch-site"] === undefined;

/** The path that is asked for below the server's own; undefined for a target that is none (`//[`). */
const addressOf = (target: URL, path: string): URL | undefined => {
  const asked = URL.parse(path, "http://localhost");
  if (asked === null) return undefined;
  const address = new URL(target);
  if (asked.pathname !== "/" && asked.pathname !== target.pathname)
    address.pathname = `${target.pathname.replace(/\/$/, "")}${asked.pathname}`;
  if (asked.search !== "") address.search = asked.search;
  return address;
};

const header = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0];

const pass = (target: URL, told: Told, asked: IncomingMessage, answer: ServerResponse): void => {
  // Node takes the first of several, and a program in front of it may have looked at another.
  if ((asked.headersDistinct["host"]?.length ?? 0) > 1)
    return void answer.writeHead(400, { connection: "close" }).end("recollect wrap: a request has one Host\n");
  if (!isOurs(asked)) return void answer.writeHead(403).end("recollect wrap: not for web pages, nor by another name\n");
  const address = addressOf(target, asked.url ?? "/");
  if (address === undefined) return void answer.writeHead(400).end("recollect wrap: this is no path\n");
  let session = header(asked.headers["mcp-session-id"]) ?? "";
  const send = address.protocol === "https:" ? httpsRequest : httpRequest;
  const length = asked.headers["content-length"];
  const headers = {
    ...passedOn(asked.headers),
    "accept-encoding": "identity",
    ...(length === undefined ? {} : { "content-length": length }),
  };
  const onward = send(address, { method: asked.method, headers }, (reply) => {
    session ||= header(reply.headers["mcp-session-id"]) ?? "";
    // The question first: an answer is known by it.
    question.end();
    const isStream = (reply.headers["content-type"] ?? "").startsWith("text/event-stream");
    const copy = new Copy({ direction: "toClient", session: () => session, isStream, told });
    answer.writeHead(reply.statusCode ?? 502, {
      ...passedOn(reply.headers),
      ...(reply.headers["content-length"] === undefined ? {} : { "content-length": reply.headers["content-length"] }),
    });
    reply.on("data", (chunk: Buffer) => copy.add(chunk));
    reply.on("end", () => copy.end());
    reply.on("error", () => answer.destroy());
    reply.pipe(answer);
  });
  const question = new Copy({ direction: "toServer", session: () => session, isStream: false, told });
  asked.on("data", (chunk: Buffer) => question.add(chunk));
  onward.on("error", (error) => {
    if (answer.headersSent) answer.destroy();
    else answer.writeHead(502).end(`recollect wrap: ${target.host} does not answer: ${error.message}\n`);
  });
  answer.on("close", () => {
    // A call that is never answered was asked all the same.
    question.end();
    onward.destroy();
  });
  asked.pipe(onward);
};

export interface Listening {
  readonly url: string;
  /** Takes no more, and cuts what is open. */
  readonly close: () => Promise<void>;
}

/** Listens on a port of this machine; 0 is any free one. Rejects when it cannot. */
export const listen = (target: URL, port: number, told: Told): Promise<Listening> =>
  new Promise((resolve, reject) => {
    const server: Server = createServer((asked, answer) => pass(target, told, asked, answer));
    // Streams stay open for as long as a client likes.
    server.requestTimeout = 0;
    server.once("error", reject);
    server.listen(port, loopback, () => {
      const { port: taken } = server.address() as AddressInfo;
      const close = () =>
        new Promise<void>((closed) => {
          server.close(() => closed());
          server.closeAllConnections();
        });
      resolve({ url: `http://${loopback}:${taken}${target.pathname}`, close });
    });
  });
