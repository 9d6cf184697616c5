/**
 * One question of a command to the daemon that runs its store, over the HTTP door on this machine.
 *
 * Room: edge.
 *
 * Promises: asked is only the folder's own daemon, of this very version, with this user's own token, and only where the
 * command line and the environment name neither a server nor credentials; whatever else it is (no daemon, no door, a
 * refusal, an answer that is late or cut), the answer is undefined, and the command then goes to the store itself.
 *
 * Decision: the request is written on a socket, because loading `node:http` costs a command 70 ms of processor, where a bare
 * Node takes 44 in the same minutes, and `node:net` 12.
 */
import { Effect, Option } from "effect";
import { connect } from "node:net";
import { DataFolder } from "../../../machine/DataFolder.ts";
import * as Instance from "../../../machine/Instance.ts";
import { httpTokenOf } from "../../../machine/KeyFiles.ts";
import * as OwnFile from "../../../machine/OwnFile.ts";
import { variable } from "../../../machine/UserFolders.ts";
import { version } from "../../../machine/Version.ts";
import { Attach } from "../Attach.ts";
import { recollect, where } from "../Flags.ts";

/** A status takes the daemon some 10 ms. One that takes so long is not waited for: the command looks for itself. */
const patienceMillis = 5_000;
/** No answer to a command's question is larger. */
const mostBytes = 16 * 1024 * 1024;

export interface Question {
  readonly method: "GET" | "POST";
  /** Below the door's address, in letters that need no encoding. */
  readonly path: string;
  /** A body of JSON. */
  readonly body?: unknown;
}

/** Variables that name another server, or another identity than the folder's own. */
const otherWays = ["URL", "CREDS", "NKEY", "USER", "INBOX_PREFIX", "TLS_CA", "TLS_CERT", "TLS_KEY"];

/** True where the command line or the environment says how the server is reached. */
const isNamed = Effect.gen(function* () {
  const { access = {}, natsUrl } = yield* where;
  if ([natsUrl, ...Object.values(access)].some((given) => given !== undefined)) return true;
  for (const name of otherWays) if ((yield* variable(`RECOLLECT_NATS_${name}`)) !== "") return true;
  return false;
});

/** The instance that runs in the folder of the command line; none where it cannot be known. */
export const instance = Effect.gen(function* () {
  const folder = yield* Effect.flatMap(where, (yield* Attach).folder);
  const found = Instance.find().pipe(Effect.provideService(DataFolder, folder));
  const there = yield* Effect.orElseSucceed(found, () => Option.none<Instance.Instance>());
  return Option.map(there, (one) => ({ ...one, root: folder.root }));
});
export type Running = Option.Option.Value<Effect.Success<typeof instance>>;

/** Body of an answer that came whole and is well. */
const bodyOf = (bytes: Buffer): string | undefined => {
  const end = bytes.indexOf("\r\n\r\n");
  const head = bytes.toString("latin1", 0, Math.max(0, end));
  const body = bytes.subarray(end + 4);
  const isWell = end > 0 && /^HTTP\/1\.[01] 20[012] /.test(head);
  const [, length] = /\r\ncontent-length: *(\d+)/i.exec(head) ?? [];
  return isWell && Number(length) === body.length ? body.toString("utf8") : undefined;
};

/** In HTTP/1.0: the answer is one piece, and its end is the connection's. */
const exchange = (address: URL, request: string): Effect.Effect<string | undefined> =>
  Effect.callback((resume) => {
    const pieces: Array<Buffer> = [];
    let held = 0;
    const socket = connect({ host: address.hostname, port: Number(address.port) });
    const done = (body: string | undefined) => {
      socket.destroy();
      resume(Effect.succeed(body));
    };
    socket.on("connect", () => socket.write(request));
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      held += piece.length;
      if (held > mostBytes) done(undefined);
    });
    socket.on("end", () => done(bodyOf(Buffer.concat(pieces))));
    socket.on("error", () => done(undefined));
    return Effect.sync(() => socket.destroy());
  });

const tokenIn = (root: string): string | undefined => {
  try {
    const token = OwnFile.readText(httpTokenOf(root)).trim();
    return /^[\w-]+$/.test(token) ? token : undefined;
  } catch {
    return undefined;
  }
};

/** The answer's JSON, as it may be shown; undefined: go to the store itself. */
export const asked = Effect.fn("cli.askDaemon")(function* (running: Running, { body, method, path }: Question) {
  const { http, role, root, server } = running;
  const isOurs = role === "daemon" && server === "own" && running.version === version;
  const address = http === undefined ? null : URL.parse(http);
  const token = tokenIn(root);
  if (!isOurs || address === null || token === undefined || (yield* isNamed)) return undefined;
  const text = body === undefined ? "" : JSON.stringify(body);
  const { raw } = yield* recollect;
  const head = [
    `${method} ${path} HTTP/1.0`,
    `Host: ${address.host}`,
    `Authorization: Bearer ${token}`,
    ...(raw ? ["Recollect-Raw: true"] : []),
    ...(text === "" ? [] : ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`]),
  ];
  const answer = yield* exchange(address, `${head.join("\r\n")}\r\n\r\n${text}`).pipe(
    Effect.timeoutOrElse({ duration: patienceMillis, orElse: () => Effect.succeed(undefined) }),
  );
  return answer === undefined
    ? undefined
    : yield* Effect.try(() => JSON.parse(answer) as unknown).pipe(Effect.orElseSucceed(() => undefined));
});
