/** Another user of the machine: files, processes, ports. */
import { nkeyAuthenticator } from "@nats-io/transport-node";
import { assert } from "@effect/vitest";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { create, signerOf } from "../../../src/machine/AccessKeys.ts";
import { pidIn } from "../../../src/machine/Processes.ts";
import { asAnother, attacksOf, keptOut, status, type World } from "./Attack.ts";

const filesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...filesIn(path)] : [path];
  });

/** Each of these words fails for another user. */
const denied = (command: string, words: ReadonlyArray<string>): void => {
  const ended = asAnother(command, words);
  if (ended !== undefined) assert.notStrictEqual(ended.status, 0, `${command} ${words.join(" ")}`);
};

const pidsOf = (world: World): ReadonlyArray<number> => [
  world.instance()?.pid ?? 0,
  pidIn(join(world.data, "nats", "nats-server.pid")) ?? 0,
];

/** What a port answers to these bytes before it hangs up, or within a moment. */
const said = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let got = "";
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding("latin1").on("data", (more: string) => (got += more));
    socket.on("error", () => resolve(got)).on("close", () => resolve(got));
    socket.setTimeout(500, () => socket.destroy());
  });

export const otherUser = attacksOf("another user of the machine")([
  [
    "read any file of the data folder: stream, database, spool, keys, logs",
    "permission denied, each of them",
    async ({ data }) => {
      const paths = filesIn(data);
      for (const path of paths) assert.strictEqual(statSync(path).mode & 0o077, 0, path);
      for (const name of ["recollect-1.db", "keys/local.nk", "keys/http.token", "access.json", "nats-server.conf"])
        denied("cat", [join(data, name)]);
    },
  ],
  ["list the data folder", "permission denied", async ({ data }) => denied("ls", [data])],
  ["write a file into it", "permission denied", async ({ data }) => denied("touch", [join(data, "planted")])],
  [
    "end the daemon or its nats-server",
    "not permitted",
    async (world) => {
      for (const pid of pidsOf(world)) denied("kill", ["-TERM", String(pid)]);
    },
  ],
  [
    "find a key or token in the command lines of our processes, which any user may read",
    "there is none",
    async (world) => {
      const secrets = ["keys/local.nk", "keys/daemon.nk", "keys/http.token"].map((name) =>
        readFileSync(join(world.data, name), "utf8").trim(),
      );
      for (const pid of pidsOf(world)) {
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        for (const secret of secrets) assert.notInclude(line, secret);
      }
    },
  ],
  [
    "read the environment or the memory of our processes",
    "permission denied",
    async (world) => {
      for (const pid of pidsOf(world)) denied("head", ["-c1", `/proc/${pid}/environ`]);
      for (const pid of pidsOf(world)) denied("head", ["-c1", `/proc/${pid}/mem`]);
    },
  ],
  ["connect to NATS without a key", "refused: authorization violation", ({ nats }) => keptOut(nats, {})],
  [
    "connect with a key of their own",
    "refused: authorization violation",
    ({ nats }) => keptOut(nats, { authenticator: nkeyAuthenticator(new TextEncoder().encode(create().seed)) }),
  ],
  [
    "connect with our public key and a signature of another",
    "refused: authorization violation",
    ({ data, nats }) => {
      const conf = readFileSync(join(data, "nats-server.conf"), "utf8");
      const publicKey = /nkey: (U[A-Z2-7]{55})/.exec(conf)?.[1] ?? "";
      const other = signerOf(create().seed);
      const sign = (nonce = "") => ({
        nkey: publicKey,
        sig: Buffer.from(other?.sign(Buffer.from(nonce)) ?? "").toString("base64url"),
      });
      return keptOut(nats, { authenticator: sign });
    },
  ],
  [
    "guess a user, a password, a token of NATS",
    "refused: authorization violation",
    async ({ nats }) => {
      for (const how of [{ user: "ana", pass: "ana" }, { user: "daemon", pass: "" }, { token: "recollect" }])
        await keptOut(nats, how);
    },
  ],
  [
    "send nats-server what is no protocol, or 9 MB before a name is given",
    "the connection is ended; others are served",
    async (world) => {
      await said(world.nats, "GET / HTTP/1.1\r\n\r\n");
      await said(world.nats, `CONNECT ${"x".repeat(9_000_000)}\r\n`);
      await status(world.as("ana", "/v1/principal"), 200);
    },
  ],
  [
    "ask HTTP for threads, search, SQL, numbers, the page, hooks or /mcp without a token",
    "401, with nothing of what is stored",
    async (world) => {
      for (const path of [
        "/v1/threads",
        "/v1/search?q=CANARY",
        "/v1/status",
        "/metrics",
        "/sql?q=SELECT+1",
        "/v1/follow",
      ])
        await status(world.ask(path), 401);
      for (const path of ["/mcp", "/hooks/claude-code", "/v1/sql"])
        await status(world.ask(path, { method: "POST", body: "{}" }), 401);
    },
  ],
  [
    "look at what HTTP tells without a token: health, readiness, API description",
    "no thread, no path, no name of a user",
    async (world) => {
      for (const path of ["/healthz", "/readyz", "/openapi.json", "/docs"]) {
        const { text } = await status(world.ask(path), 200);
        assert.notInclude(text, world.data);
      }
    },
  ],
  [
    "send a path that leaves the token folder as a token",
    "401",
    async (world) => {
      for (const token of ["../../keys/http.token", "../tokens", "%2e%2e", "", "local"])
        await status(world.ask("/v1/threads", { headers: { authorization: `Bearer ${token}` } }), 401);
    },
  ],
  [
    "hold 300 connections that say half a request",
    "others are served; theirs are cut when headers are not there after 10 s",
    async (world) => {
      const { hostname, port } = new URL(world.url);
      const sockets = Array.from({ length: 300 }, () => {
        const socket = connect(Number(port), hostname, () => socket.write("GET /v1/threads HTTP/1.1\r\nHost: "));
        return socket.on("error", () => undefined);
      });
      await status(world.as("bob", "/v1/principal"), 200);
      for (const socket of sockets) socket.destroy();
    },
  ],
  [
    "put files into a data folder that was there and open to all",
    "the next start closes it and everything of ours in it",
    { file: "machine/DataFolder.test.ts", title: "is closed to others with all of ours in it when it was open" },
  ],
]);
