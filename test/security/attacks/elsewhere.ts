/** Other servers, the network, transcripts, MCP servers, and SQL. */
import { assert } from "@effect/vitest";
import { Effect } from "effect";
import { networkInterfaces } from "node:os";
import { connect } from "node:net";
import { finder } from "../../../src/log/connection/ServerAccess.ts";
import { attacksOf } from "./Attack.ts";

const otherServer = attacksOf("another server")([
  [
    "take our port while ours is down, with a stream of the same name, and collect what is published",
    "it gets no event: the stream's identity is asked before a byte is written; what is said waits in the spool",
    { file: "log/StreamGuard.test.ts", title: "gets not one byte, neither with a stream of that name nor without" },
  ],
  [
    "be given the data folder's key by a command that is pointed at it",
    "no key of the folder is used for another address",
    async ({ data }) => {
      for (const url of ["nats://127.0.0.1:1", "nats://evil.example:4222"]) {
        const found = await Effect.runPromise(finder({ root: data })(url));
        assert.isUndefined(found.credentials);
      }
    },
  ],
  [
    "learn a key from the signature it asks for",
    "a signature of its nonce, which no other server asks for; the key itself is never sent",
    async ({ data, nats }) => {
      const found = await Effect.runPromise(finder({ root: data })(nats));
      assert.strictEqual(found.credentials?._tag, "NKeyFile");
    },
  ],
  [
    "put another stream, or one with limits that remove events, in the place of ours",
    "refused and named at the next look, within 10 s",
    { file: "log/StreamGuard.test.ts", title: "has each limit and flag named that can remove events" },
  ],
]);

/** Addresses of this machine by which another one may reach it. */
const outside = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .filter(({ family, internal }) => family === "IPv4" && !internal)
  .map(({ address }) => address);

const network = attacksOf("a stranger on the network")([
  [
    "reach NATS or HTTP from another machine",
    "nothing listens but on 127.0.0.1",
    async (world) => {
      for (const address of outside) {
        for (const url of [world.nats, world.url]) {
          const came = await new Promise<string>((resolve) => {
            const socket = connect(Number(new URL(url).port), address);
            socket.once("connect", () => resolve("in")).once("error", () => resolve("refused"));
            socket.setTimeout(1_000, () => resolve("silent"));
          });
          assert.notStrictEqual(came, "in", `${address} ${url}`);
        }
      }
    },
  ],
  [
    "have the store served to other machines without TLS, by a flag",
    "`up --listen` ends with code 2 and starts nothing",
    { file: "security/Listen.test.ts", title: "refuses to serve other machines without a certificate" },
  ],
  [
    "get in where it is served to others: in the clear, or under TLS without credentials",
    "refused; so is an untrusted certificate, by the client",
    { file: "security/Listen.test.ts", title: "serves NATS and HTTP under TLS to who has credentials" },
  ],
]);

const transcript = attacksOf("a hostile transcript")([
  [
    "move the cursor, set the title, turn text around or hide it on a terminal",
    "shown as what it is",
    { file: "edge/cli/Shown.test.ts", title: "it moves no cursor, does not turn around and hides nothing" },
  ],
  ["do so in an error message", "the same there", { file: "edge/cli/Shown.test.ts", title: "is shown in errors too" }],
  [
    "run a formula in a spreadsheet that opens a CSV",
    "cells that would are written as text",
    { file: "edge/cli/ask/Sql.test.ts", title: "a CSV that no spreadsheet runs" },
  ],
  [
    "run a script in the page, load a picture from elsewhere, leave the page",
    "shown as text; the page's policy loads nothing of others",
    { file: "edge/page/Page.test.ts", title: "shows what hostile transcripts say as text, and nothing of it acts" },
  ],
  [
    "run a script in an export as HTML",
    "it has none, and asks nothing of any server",
    { file: "edge/export/ThreadDocument.test.ts", title: "has no script, asks nothing of any server" },
  ],
  [
    "give orders to the agent that is handed a brief",
    "told as what was said, in a block that it cannot leave",
    { file: "query/brief/Brief.test.ts", title: "runs nothing that a transcript wrote" },
  ],
  [
    "be shown with the secrets it has",
    "masked wherever it is shown, but with --raw",
    { file: "security/Secrets.test.ts", title: "in a transcript are kept as they came, shown nowhere" },
  ],
]);

const server = attacksOf("a hostile MCP server")([
  [
    "read our address, password and data folder from its environment",
    "it is given no `RECOLLECT_*`",
    async (world) => {
      const secrets = { RECOLLECT_NATS_PASSWORD: "hunter2", RECOLLECT_NATS_USER: "x" };
      const { out } = await world.start(["wrap", "--", "/usr/bin/env"], secrets).ended;
      assert.include(out, "PATH=");
      assert.notMatch(out, /RECOLLECT_|hunter2/);
    },
  ],
  [
    "answer with lines of any size, torn or binary, or never read",
    "passed through unchanged; what is recorded is bounded",
    { file: "edge/wrap/Proxy.test.ts", title: "passes every byte unchanged, both ways, however it is cut" },
  ],
  [
    "speak into a line that we answer in its place",
    "never",
    { file: "edge/wrap/Gate.test.ts", title: "never speaks into a line of the server" },
  ],
]);

const sandbox = { file: "query/sandbox/Sandbox.test.ts" };
const sql = attacksOf("a statement of SQL")([
  [
    "write, attach another file, set a pragma, load code, be two statements",
    "refused before it runs",
    { ...sandbox, title: "cannot attach, set a pragma, load code, write, or ask twice" },
  ],
  [
    "never end, fill memory, give rows for ever",
    "ended at its limit of time, memory, rows; by Ctrl-C and SIGTERM at once",
    { file: "edge/cli/ask/Sql.test.ts", title: "is ended at once by Ctrl-C, by SIGTERM and by a kill" },
  ],
  [
    "read what persons wrote, with a role that may not",
    "personal columns are NULL",
    { ...sandbox, title: "reads the public views as they are, with nothing where persons wrote" },
  ],
  [
    "read it by another way: tables, indexes, a WITH that takes a view's name, a join by names",
    "there is none",
    { ...sandbox, title: "finds no way round: no table, no index" },
  ],
]);

const folder = attacksOf("a folder from elsewhere")([
  [
    "have a restore write outside of the new folder, by names in a backup's list",
    "it is no list of a backup; nothing is written",
    {
      file: "projection/backup/Backup.test.ts",
      title: "names the file that is not as it was written, and is not restored",
    },
  ],
  [
    "have what lies outside of it removed or moved, by the journal of a heal that was not over",
    "it is no journal, and put aside; nothing is touched",
    {
      file: "machine/StoreSwap.test.ts",
      title: "is one that leads out of the folder: nothing is removed or moved there",
    },
  ],
  [
    "have a heal mix another store's events into this one's, by its database",
    "nothing is taken from it; it is kept aside and named",
    { file: "projection/heal/Heal.test.ts", title: "takes nothing from the database of another store" },
  ],
  [
    "have a heal or `verify` go on for ever, by a number of its notes that no store can have",
    "a changed note is none, and an end that cannot be is not believed",
    { file: "projection/heal/Heal.test.ts", title: "believes no end that no store can have" },
  ],
]);

export const elsewhere = [...otherServer, ...network, ...transcript, ...server, ...sql, ...folder];
