/**
 * Processor time of a start: a program run to its end, beside a Node that does nothing.
 *
 * Processor time, not wall time: a start has no waits of its own, and wall time includes other load on the machine.
 */
import { Effect } from "effect";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Measured, Row } from "./Harness.ts";

const bin = fileURLToPath(new URL("../bin/recollect.mjs", import.meta.url));
const door = new URL("../dist/index.js", import.meta.url).href;
const rounds = 9;

const meter = new URL("startMeter.mjs", import.meta.url).href;
const server = fileURLToPath(new URL("startServer.mjs", import.meta.url));

/** Milliseconds of processor that Node takes for these words. */
const millisOf = (words: ReadonlyArray<string>, data: string): number => {
  const { output, status, stderr } = spawnSync(process.execPath, ["--import", meter, ...words], {
    env: { ...process.env, RECOLLECT_DATA: data },
    stdio: ["ignore", "ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  const [micros] = (output[3] ?? "").trim().split("\n").slice(-1);
  if (status !== 0 || micros === undefined || micros === "") throw new Error(`${words.join(" ")} failed: ${stderr}`);
  return Number(micros) / 1000;
};

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;

/** A daemon on a folder of its own, as there is one where commands are called. */
const withDaemon = async <A>(work: (data: string) => A): Promise<A> => {
  const data = mkdtempSync(join(tmpdir(), "recollect-start-"));
  const daemon = spawn(process.execPath, [bin, "up", "--json", "--data", data], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => daemon.once("exit", resolve));
  try {
    await new Promise<void>((resolve, reject) => {
      daemon.stdout.once("data", () => resolve());
      daemon.once("exit", (code) => reject(new Error(`the daemon ended with ${code}`)));
    });
    return work(data);
  } finally {
    daemon.kill("SIGINT");
    await ended;
    rmSync(data, { recursive: true, force: true });
  }
};

const measure = (own: () => number, data: string): Measured => {
  own();
  const ours: Array<number> = [];
  const bare: Array<number> = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(millisOf(["-e", "0"], data));
    ours.push(own());
  }
  const ratios = ours.map((millis, round) => millis / (bare[round] ?? Number.NaN));
  const spread = [Math.min(...ratios), Math.max(...ratios)] as const;
  return { ours: median(ours), peer: median(bare), peerName: "node -e 0, processor time", spread };
};

const row = (id: string, what: string, limit: number, words: ReadonlyArray<string>): Row => ({
  id,
  what,
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit },
  run: Effect.promise(() => withDaemon((data) => measure(() => millisOf(words, data), data))),
});

const command = (...words: ReadonlyArray<string>) => [bin, ...words];

/** What a wrapper takes until its server runs. Only Linux tells it of another process. */
const wrapMillis = (data: string): number => {
  const file = join(data, "nanos");
  const { status, stderr } = spawnSync(process.execPath, [bin, "wrap", "--", process.execPath, server, file], {
    env: { ...process.env, RECOLLECT_DATA: data },
    stdio: ["ignore", "ignore", "pipe"],
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`wrap failed: ${stderr}`);
  return Number(readFileSync(file, "utf8")) / 1e6;
};

const wrapRow: Row = {
  id: "start-wrap",
  what: "start of `wrap`, until its server runs",
  unit: "ms",
  goal: { of: "ratio", is: "at most", limit: 5 },
  run:
    process.platform === "linux"
      ? Effect.promise(() => withDaemon((data) => measure(() => wrapMillis(data), data)))
      : Effect.succeed({ skipped: "only Linux tells what another process has taken" }),
};

export const starts: ReadonlyArray<Row> = [
  row("start-version", "start of `--version`", 5, command("--version")),
  row("start-help", "start of `--help`", 5, command("--help")),
  row("start-threads", "start of `threads`, a daemon running", 9, command("threads")),
  row("start-sql", "start of `sql 'select 1'`, a daemon running", 9, command("sql", "select 1")),
  row("start-status", "start of `status`, a daemon running", 9, command("status")),
  row("start-import", "`import` of the library", 6, ["-e", `import(${JSON.stringify(door)})`]),
  wrapRow,
];
