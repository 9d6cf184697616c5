import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Files that have a process each; all others share three.
 *
 * Decision: because loading the modules of a room costs 1 to 2 s of processor for each file. What stands here looks at its
 * own process (descriptors, memory, metrics, signals, threads), changes its environment, stands between two pipes, or packs and installs.
 */
const apart = [
  "test/drill/**/*.test.ts",
  "test/{bin,compose}.test.ts",
  "test/{package,peers,main}/**/*.test.ts",
  "test/machine/{FolderLock,nats/*}.test.ts",
  "test/coordination/KeyValueStoreBucket.test.ts",
  "test/edge/cli/{Pager,Together,coordination/Cache}.test.ts",
  "test/edge/export/Lossless.test.ts",
  "test/edge/wrap/*.test.ts",
  "test/edge/page/Page.test.ts",
  "test/projection/Writer.test.ts",
];

/** Tried by the clock, on a machine of their own: `npm run drill`, or `npm test -- test/drill` as in CI. */
const drills = process.argv.some((word) => word.includes("test/drill")) ? [] : ["test/drill/**"];

/**
 * Tests talk to real servers, so a test may take seconds, and waits for a good part of them: two files at once use two
 * thirds of two cores. Three fill them; more only make each other late.
 *
 * Tried without gain: Node's own loader in place of Vite's (`viteModuleRunner: false`: 14.1 s of processor in place of 11.2
 * for five small files with a process each), and temporary folders in memory. Of the processor
 * of 214 files, 57 % are vitest's own workers, 14 % the 54 daemons that tests start, 5 % nats-servers (25 ms to start one),
 * 5 % loading and transforming, the rest other commands and programs.
 */
export default defineConfig({
  // The doors of the package, as they are here; package.json names what is built of them.
  resolve: {
    alias: [
      { find: /^recollect$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) },
      { find: /^recollect\/effect$/, replacement: fileURLToPath(new URL("src/effect.ts", import.meta.url)) },
    ],
  },
  test: {
    projects: [
      {
        extends: true,
        test: { name: "apart", include: apart, exclude: drills },
      },
      {
        extends: true,
        test: { name: "together", isolate: false, include: ["test/**/*.test.ts"], exclude: [...apart, ...drills] },
      },
    ],
    globalSetup: ["test/support/setup.ts"],
    pool: "forks",
    maxWorkers: 3,
    // A bound on what hangs. On a machine with ten processes for each core tests that take 3 s took 40.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 20_000,
    // One line per file, and the closing counts; what failed is printed in full.
    reporters: ["default"],
  },
});
