import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/**
 * Tests talk to real servers, so a test may take seconds, and on two cores more than two files at once only make
 * each other late. Every file is a process of its own: native modules and servers end with it.
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
    include: ["test/**/*.test.ts"],
    // Kills processes by the clock, so it wants a machine to itself: `npm run drill`, or `npm test -- test/drill` as in CI.
    exclude: process.argv.some((word) => word.includes("test/drill")) ? [] : ["test/drill/**"],
    globalSetup: ["test/support/setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 20_000,
    // One line per file, and the closing counts; what failed is printed in full.
    reporters: ["default"],
  },
});
