/**
 * The exit drill: programs end in the middle of 200 calls that nobody awaits, in every way a program can end.
 *
 * Afterwards log and spool together hold every message once and in order; after SIGKILL all whose call had resolved. And
 * the program ended as it would have without us: by that signal, or with its own exit code.
 */
import { Effect, Layer, Random, Stream } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as History from "../../src/domain/History.ts";
import { EventLog } from "../../src/log/EventLog.ts";
import * as EventLogNats from "../../src/log/EventLogNats.ts";
import * as NatsConnection from "../../src/log/connection/NatsConnectionNats.ts";
import { targetOf } from "../../src/publish/drain/SpoolDrainer.ts";
import * as SpoolSqlite from "../../src/spool/SpoolSqlite.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";

/** Each way to end, and what the system says of it then. */
export const ways = {
  exit: 0,
  throw: 1,
  SIGTERM: "SIGTERM",
  SIGINT: "SIGINT",
  SIGHUP: "SIGHUP",
  handled: 7,
  SIGKILL: "SIGKILL",
} as const;
export type Way = keyof typeof ways;

export interface Outcome {
  readonly endings: number;
  /** Messages that were said, and where they were found. */
  readonly said: number;
  readonly inLog: number;
  readonly inSpool: number;
  readonly faults: ReadonlyArray<string>;
  readonly folder: string;
}

const program = programOf("test/drill/ending.ts");

/** Runs one program to its end. Returns what resolved, as far as it told. */
const endOne = async (options: { data: string; url: string; id: string; way: Way; count: number; killAt: number }) => {
  const { count, data, id, killAt, url, way } = options;
  const args = [program, data, url, id, way, String(count)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "ignore"] });
  let resolved = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    resolved += chunk.toString().split("\n").length - 1;
    if (way === "SIGKILL" && resolved >= killAt) child.kill("SIGKILL");
  });
  const [code, signal] = await once(child, "close");
  return { resolved, ended: (signal ?? code) as number | string };
};

const textIn = (body: Uint8Array | string): number => {
  const data: { readonly parts: ReadonlyArray<{ readonly text: string }> } = JSON.parse(
    typeof body === "string" ? body : Buffer.from(body).toString("utf8"),
  );
  return Number(data.parts[0]?.text);
};

/** What became of it: numbers in the log and, of those that are not there, in the spool. */
const found = Effect.fnUntraced(function* (data: string, url: string, id: string) {
  const log = yield* EventLog;
  const events = yield* Stream.runCollect(log.read({ history: History.thread(id) }));
  const spool = yield* SpoolSqlite.make({ file: join(data, "spool.db"), target: targetOf(url) });
  const waiting = yield* spool.waitingFor(History.thread(id));
  const ids = new Set(events.map((event) => event.id));
  return {
    log: events.map(({ body }) => textIn(body)),
    spool: waiting.filter(({ event }) => !ids.has(event.id)).map(({ event }) => textIn(event.body)),
  };
}, Effect.scoped);

export const run = Effect.fnUntraced(function* (options: {
  readonly rounds: number;
  readonly count: number;
  readonly ways?: ReadonlyArray<Way>;
  readonly say: (line: string) => void;
}) {
  const { count, rounds, say } = options;
  const { url } = yield* NatsServer.NatsServer;
  const folder = mkdtempSync(join(tmpdir(), "recollect-endings-"));
  const faults: Array<string> = [];
  let [endings, said, inLog, inSpool] = [0, 0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    for (const way of options.ways ?? (Object.keys(ways) as ReadonlyArray<Way>)) {
      const [data, id] = [join(folder, `${way}-${round}`), `${way}-${round}`];
      const killAt = 1 + (yield* Random.nextIntBetween(0, count - 1));
      const { ended, resolved } = yield* Effect.promise(() => endOne({ data, url, id, way, count, killAt }));
      const { log, spool } = yield* found(data, url, id);
      const all = [...log, ...spool];
      const wanted = way === "SIGKILL" ? resolved : count;
      if (ended !== ways[way]) faults.push(`${id} ended with ${ended}, not with ${ways[way]}`);
      if (all.length < wanted) faults.push(`${id}: ${wanted - all.length} of ${wanted} are lost`);
      if (all.some((number, index) => number !== index)) faults.push(`${id}: not in order, or twice`);
      endings++;
      said += wanted;
      inLog += log.length;
      inSpool += spool.length;
    }
    say(`round ${round + 1} of ${rounds}: ${said} said, ${faults.length} faults`);
  }
  if (faults.length === 0) rmSync(folder, { recursive: true });
  return { endings, said, inLog, inSpool, faults, folder } satisfies Outcome;
});

/** The log on a server of the drill's own. */
export const layer = Layer.provideMerge(
  Layer.unwrap(
    Effect.map(NatsServer.NatsServer, ({ url }) =>
      EventLogNats.layer().pipe(Layer.provide(NatsConnection.layer({ servers: url }))),
    ),
  ),
  NatsServer.layer(),
);
