/** A client of the drill's server, on a machine of its own. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { Recollect } from "recollect";

export const connect = () =>
  Recollect.connect({
    url: process.env["RECOLLECT_NATS_URL"],
    data: mkdtempSync(join(process.env["DRILL_FOLDER"], "data-")),
    patienceMillis: 10_000,
  });
