/**
 * A daemon with its HTTP door as a bench sees it: a process of its own, clients on connections of their own, and a bare
 * NATS client on the same server.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats, nkeyAuthenticator } from "@nats-io/transport-node";
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { seedIn } from "../src/machine/AccessKeys.ts";
import { program } from "./Program.ts";
import { temporaryFolder } from "./Servers.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
}

/**
 * One keep-alive connection that speaks just enough HTTP/1.1, because Node's own client costs more than a request takes at
 * the server, and both sides of a row share this machine.
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #head: string;
  #text = "";
  #settle: { readonly resolve: (status: number) => void; readonly reject: (error: Error) => void } | undefined;

  constructor(url: string, token: string) {
    const { host, hostname, port } = new URL(url);
    this.#head = `HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\n`;
    this.#socket = connect(Number(port), hostname).setNoDelay(true).setEncoding("latin1");
    this.#socket.on("data", (more: string) => this.#take(more));
    this.#socket.on("error", (error) => this.#settle?.reject(error));
    this.#socket.on("close", () => this.#settle?.reject(new Error("the connection was closed")));
  }

  #take(more: string): void {
    this.#text += more;
    const end = this.#text.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [, length = "0"] = /content-length: (\d+)/i.exec(this.#text.slice(0, end)) ?? [];
    if (this.#text.length < end + 4 + Number(length)) return;
    const status = Number(this.#text.slice(9, 12));
    this.#text = "";
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve(status);
  }

  /** The status of the answer; one request at a time. */
  send({ body = "", method, path }: HttpRequest): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("the connection was closed"));
      this.#settle = { resolve, reject };
      const bytes = Buffer.byteLength(body);
      this.#socket.write(`${method} ${path} ${this.#head}content-length: ${bytes}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }
}

export const expecting = async (wanted: number, answered: Promise<number>): Promise<void> => {
  const status = await answered;
  if (status !== wanted) throw new Error(`the door answered ${status} in place of ${wanted}`);
};

/** Connections for a row, closed with its scope. */
export const httpClients = (url: string, token: string, count: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: count }, () => new HttpConnection(url, token))),
    (all) => Effect.sync(() => all.forEach((one) => one.close())),
  );

/** The first line of a program of the bench, which is ended with the scope. */
export const childProgram = (file: string, args: ReadonlyArray<string>) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const child = spawn(process.execPath, [file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
        const [line] = await once(createInterface({ input: child.stdout }), "line");
        return { child, line: line as string };
      }),
      ({ child }) => Effect.sync(() => child.kill("SIGTERM")),
    ),
    ({ line }) => line,
  );

/** A daemon of its own for a row, gone with its scope. */
export const daemonDoor = Effect.gen(function* () {
  const data = join(yield* temporaryFolder, "data");
  const { line } = yield* program(["up", "--json", "--data", data]);
  const said: { readonly http: string; readonly nats: string } = JSON.parse(line);
  const token = readFileSync(join(data, "keys", "http.token"), "utf8").trim();
  const seed = new TextEncoder().encode(seedIn(readFileSync(join(data, "keys", "daemon.nk"), "utf8")) ?? "");
  const nc = yield* Effect.acquireRelease(
    Effect.promise(() =>
      connectNats({ servers: said.nats, authenticator: nkeyAuthenticator(seed), noAsyncTraces: true }),
    ),
    (client) => Effect.promise(() => client.close()),
  );
  const jsm = yield* Effect.promise(() => jetstreamManager(nc));
  const { config } = yield* Effect.promise(() => jsm.streams.info("RECOLLECT"));
  yield* Effect.promise(() => jsm.streams.add({ ...config, name: "BARE", subjects: ["BARE.>"], description: "" }));
  const clients = (count: number) => httpClients(said.http, token, count);
  return { ...said, data, token, js: jetstream(nc), clients };
});
