/** What the figures were measured on. */
import { Effect } from "effect";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { arch, cpus, loadavg, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import { percentile } from "./Harness.ts";
import { temporaryFolder, world } from "./Servers.ts";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  readonly natsServer: string;
  /** Median time of a 4 KiB write with its fsync: what every durable append waits for. */
  readonly fsyncMillis: number;
  /** Load averages over 1, 5 and 15 minutes before the first row. */
  readonly load: readonly [number, number, number];
  /** When the bench began, ISO 8601. */
  readonly at: string;
}

const fsyncMillis = (folder: string): number => {
  const page = Buffer.alloc(4096, 1);
  const file = openSync(join(folder, "fsync"), "w");
  const samples: Array<number> = [];
  for (let count = 0; count < 100; count++) {
    const began = performance.now();
    writeSync(file, page);
    fsyncSync(file);
    samples.push(performance.now() - began);
  }
  closeSync(file);
  return percentile(samples);
};

export const machine: Effect.Effect<Machine> = Effect.gen(function* () {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  const at = new Date().toISOString();
  const { bare } = yield* world();
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${arch()} ${release()}`,
    node: process.version,
    natsServer: bare.nc.info?.version ?? "unknown",
    fsyncMillis: fsyncMillis(yield* temporaryFolder),
    load: [one, five, fifteen] as const,
    at,
  };
}).pipe(Effect.scoped, Effect.orDie);
