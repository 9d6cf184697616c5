/**
 * A process that watches one field of the configuration, for `rows/config-watch.ts`: `node configWatcher.ts URL FOLDER`.
 *
 * Writes `value nanoseconds` for each value as soon as it has it, by the clock that all processes of a machine share.
 */
import { writeSync } from "node:fs";
import { Recollect } from "../src/client/Recollect.ts";

const recollect = await Recollect.connect({ url: process.argv[2] ?? "", data: process.argv[3] });
for await (const value of recollect.config.watch("snapshots.ttlMillis")) {
  writeSync(1, `${value} ${process.hrtime.bigint()}\n`);
}
