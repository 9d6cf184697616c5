/**
 * The whole story in under a minute: a real MCP server is recorded, NATS is killed, nothing is lost, SQL answers.
 *
 * Run with `npm run demo`. Everything happens in a temporary folder that is removed at the end; the only network is
 * the loopback interface.
 */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const bin = fileURLToPath(new URL("../bin/recollect.mjs", import.meta.url));
const everything = createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/dist/index.js");
const data = mkdtempSync(join(tmpdir(), "recollect-demo-"));
const started = performance.now();

const say = (text: string) => {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  process.stdout.write(`${seconds} s  ${text}\n`);
};

const args = (...words: ReadonlyArray<string>) => [bin, ...words, "--data", data];

/** Runs one recollect command to its end and gives back what it printed. */
const recollect = async (...words: ReadonlyArray<string>): Promise<string> => {
  say(`$ recollect ${words.map((word) => (/[\s'"]/.test(word) ? JSON.stringify(word) : word)).join(" ")}`);
  const child = spawn(process.execPath, args(...words), { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`recollect ${words[0] ?? ""} ended with ${code}`);
  return printed;
};

/** Waits until a condition holds; a demo that waits longer than this has failed. */
const until = async (what: string, holds: () => boolean) => {
  for (const begun = performance.now(); !holds(); await setTimeout(20)) {
    if (performance.now() - begun > 20_000) throw new Error(`waited 20 s in vain until ${what}`);
  }
};

const indented = (text: string) => {
  for (const line of text.trimEnd().split("\n")) process.stdout.write(`         ${line}\n`);
};

/** Starts a command that stays, and returns it with its lines. */
const begin = (...words: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, args(...words), { stdio: ["ignore", "pipe", "inherit"] });
  return { child, lines: createInterface({ input: child.stdout }) };
};

const end = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGINT");
  await new Promise((resolve) => child.once("exit", resolve));
};

const natsPid = () => Number(readFileSync(join(data, "nats", "nats-server.pid"), "utf8"));

/** The server under test is real: MCP's own reference server, wrapped, with the official SDK's client before it. */
const connect = async () => {
  const client = new Client({ name: "recollect-demo", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [bin, "wrap", "--data", data, "--thread", "demo", "--", process.execPath, everything, "stdio"],
      stderr: "ignore",
    }),
  );
  return client;
};

const story = async (children: Array<ChildProcess>) => {
  say("Starting Recollect in a temporary folder: nats-server, snapshotter, projector.");
  const up = begin("up", "--json");
  children.push(up.child);
  const address = await new Promise<string>((resolve, reject) => {
    up.lines.once("line", resolve);
    up.child.once("exit", (code) => reject(new Error(`recollect up ended with ${code}`)));
  });
  say(`Ready: ${address}`);

  let arrived = 0;
  const tail = begin("tail", "--json");
  children.push(tail.child);
  tail.lines.on("line", (line) => {
    arrived++;
    const event = JSON.parse(line) as {
      readonly sequence: number;
      readonly type: string;
      readonly data: { readonly name?: string };
    };
    if (arrived <= 6) say(`   event ${event.sequence}: ${event.type} ${event.data.name ?? ""}`);
  });

  say("A client calls a real MCP server (server-everything) through `recollect wrap`.");
  const client = await connect();
  const echo = (message: string) => client.callTool({ name: "echo", arguments: { message } });
  for (let i = 1; i <= 20; i++) await echo(`before the crash ${i}`);
  await until("the events of 20 calls were seen live", () => arrived >= 41);
  say(`${arrived} events have arrived, seen by \`recollect tail\` as they were written.`);

  const pid = natsPid();
  say(`kill -9 ${pid}: nats-server dies in the middle of it.`);
  process.kill(pid, "SIGKILL");
  const during = performance.now();
  for (let i = 1; i <= 20; i++) await echo(`while it is down ${i}`);
  say(`20 calls went on without noticing (${Math.round(performance.now() - during)} ms for all of them).`);
  await client.callTool({ name: "no-such-tool", arguments: {} }).catch(() => undefined);
  await client.close();
  say(`nats-server is back as process ${natsPid()}.`);

  await until("the events of all calls were seen live", () => arrived >= 84);
  const question =
    "SELECT tool_name, outcome, count(*) AS calls, round(avg(duration_millis), 1) AS avg_ms FROM v_tool_calls GROUP BY 1, 2 ORDER BY 3 DESC";
  indented(await recollect("sql", question));
  const calls = JSON.parse(
    await recollect(
      "sql",
      "SELECT count(*) AS calls FROM v_tool_calls WHERE tool_name = 'echo' AND outcome = 'ok'",
      "--json",
    ),
  ) as ReadonlyArray<{ readonly calls: number }>;
  if (calls[0]?.calls !== 40) throw new Error(`expected 40 recorded calls, found ${JSON.stringify(calls)}`);
  say("All 40 calls are there, also those made while NATS was dead.");
  indented(await recollect("verify"));
};

const children: Array<ChildProcess> = [];
try {
  await story(children);
  say("Done. Next: npm start, then npx recollect import ~/.claude/projects");
} catch (error) {
  process.exitCode = 1;
  process.stderr.write(`The demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
} finally {
  for (const child of children.toReversed()) await end(child);
  rmSync(data, { recursive: true, force: true });
}
