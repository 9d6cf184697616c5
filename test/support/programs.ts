/**
 * Programs that tests start beside the command line, built as the command line is: from its sources each start of one
 * costs 1 to 3 s of processor, and 0.3 s built.
 */
import { rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { rolldown } from "rolldown";
import { root } from "./flow.ts";

/** The programs, and what they start beside them. */
const files: ReadonlyArray<string> = [
  "test/support/wrap.ts",
  "test/projection/heal/heal-child.ts",
  "test/projection/crash-child.ts",
  "test/publish/answer-child.ts",
  "test/publish/speaker.ts",
  "test/drill/neighbour.ts",
  "test/drill/ending.ts",
  "test/machine/children/holdFolder.ts",
  "test/machine/children/runNats.ts",
  "test/coordination/blocking-child.ts",
  "test/coordination/other-user-child.ts",
  // The door, for programs of a few lines.
  "src/index.ts",
  "src/edge/wrap/Recorder.ts",
  "src/edge/wrap/ReplayProcess.ts",
  "src/projection/write/WriterThreadSqlite.ts",
  "src/projection/verify/FileCheckThreadSqlite.ts",
];

const nameOf = (file: string): string => basename(file, ".ts");

/** Builds them into a folder of this run. Returns what removes it. */
export const build = async (): Promise<() => void> => {
  const folder = join(root, ".cache", `test-programs-${process.pid}`);
  const bundled = await rolldown({
    input: Object.fromEntries(files.map((file) => [nameOf(file), file])),
    external: (id) => id === "better-sqlite3" || id.startsWith("#"),
    cwd: root,
    platform: "node",
    logLevel: "silent",
  });
  await bundled.write({ dir: folder, format: "esm", entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" });
  await bundled.close();
  process.env["RECOLLECT_TEST_PROGRAMS"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
};

/** One of them as it was built, else the file itself, as a path. */
export const programOf = (file: string): string => {
  const folder = process.env["RECOLLECT_TEST_PROGRAMS"];
  return folder !== undefined && files.includes(file) ? join(folder, `${nameOf(file)}.js`) : resolve(root, file);
};
