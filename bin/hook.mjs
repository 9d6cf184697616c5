/**
 * A hook of an agent that can only run a command: passes what it is told to the store's HTTP door, and prints the answer.
 *
 * `recollect hooks install` copies it into the data folder's `hooks/`, from where it finds port and token. Plain Node
 * without imports of its own, because it runs at every tool call. It never fails the agent: without a store, without a
 * port, too slow or refused, it ends with 0 and says nothing; with `--fail-closed` it ends with 2, which agents take as no.
 *
 *   node recollect-hook.mjs AGENT [EVENT] [--brief] [--fail-closed]
 */
import { readFileSync, statSync } from "node:fs";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Longest wait of an agent for a store that does not answer, milliseconds. */
const patienceMillis = 1000;

const words = process.argv.slice(2);
const flags = new Set(words.filter((word) => word.startsWith("--")));
const [agent = "", event] = words.filter((word) => !word.startsWith("--"));
const root = dirname(dirname(fileURLToPath(import.meta.url)));

const done = (text = "") => {
  if (text === "") process.exit(0);
  process.stdout.write(text, () => process.exit(0));
};

const failed = (why) => {
  if (!flags.has("--fail-closed")) return done();
  process.stderr.write(`Recollect cannot record this (${why}), and it was installed to refuse then.\n`, () =>
    process.exit(2),
  );
};

/** Of a file alone: the open of a FIFO in its place would hold the agent for ever. */
const textIn = (...names) => {
  const file = join(root, ...names);
  if (!statSync(file).isFile()) throw new Error(`${file} is no file`);
  return readFileSync(file, "utf8").trim();
};

const post = (body) => {
  const port = Number(textIn("http-port"));
  const token = textIn("keys", "hooks.token");
  const query = new URLSearchParams();
  if (event !== undefined) query.set("event", event);
  if (flags.has("--brief")) query.set("brief", "1");
  const sent = request(
    {
      host: "127.0.0.1",
      port,
      path: `/hooks/${agent}?${query}`,
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        "content-length": body.length,
      },
    },
    (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", () => failed("the answer broke off"));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (response.statusCode !== 200) failed(`status ${response.statusCode}`);
        else done(text.trim() === "{}" ? "" : text);
      });
    },
  );
  sent.on("error", (error) => failed(error.message));
  sent.end(body);
};

setTimeout(() => failed("no answer"), patienceMillis);
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("error", () => failed("no input"));
process.stdin.on("end", () => {
  try {
    post(Buffer.concat(chunks));
  } catch (error) {
    failed(error instanceof Error ? error.message : String(error));
  }
});
