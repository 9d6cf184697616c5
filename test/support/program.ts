/** The command line that tests start: as it was built for them, else its sources. */
import { fileURLToPath } from "node:url";

export const program: string =
  process.env["RECOLLECT_TEST_PROGRAM"] ?? fileURLToPath(new URL("../../src/main.ts", import.meta.url));
