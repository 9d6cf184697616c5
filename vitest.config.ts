import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Rooms whose tests hold their state in scopes share two processes.
 *
 * Decision: because loading the modules of a room costs 1 to 2 s of processor for each file, and these are 140 of 240
 * files. A test that looks at its own process (descriptors, memory, metrics, threads), or that starts programs, has one
 * of its own.
 */
const together = globSync(
  [
    "test/{domain,projection,projections,query,snapshot,spool}/**/*.test.ts",
    "test/{log,publish,coordination}/**/*.test.ts",
    "test/edge/{import,export}/**/*.test.ts",
  ],
  {
    cwd: import.meta.dirname,
    exclude: [
      "test/coordination/KeyValueStoreBucket.test.ts",
      "test/edge/export/Lossless.test.ts",
      "test/projection/Writer.test.ts",
      "test/**/*docs.test.ts",
    ],
  },
);

/** Tried by the clock, on a machine of their own: `npm run drill`, or `npm test -- test/drill` as in CI. */
const drills = process.argv.some((word) => word.includes("test/drill")) ? [] : ["test/drill/**"];

/**
 * Tests talk to real servers, so a test may take seconds, and waits for a good part of them: two files at once use two
 * thirds of two cores. Three fill them; more only make each other late.
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
        test: { name: "apart", include: ["test/**/*.test.ts"], exclude: [...together, ...drills] },
      },
      { extends: true, test: { name: "together", isolate: false, include: together } },
    ],
    globalSetup: ["test/support/setup.ts"],
    pool: "forks",
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 20_000,
    // One line per file, and the closing counts; what failed is printed in full.
    reporters: ["default"],
  },
});
