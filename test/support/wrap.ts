/** `recollect wrap` by itself, for tests: the arguments are those behind `wrap`. */
import { parse } from "../../src/edge/wrap/Arguments.ts";
import { endLike, run } from "../../src/edge/wrap/Wrap.ts";

const options = parse(process.argv.slice(2), process.env["WRAP_AS"] === "acp" ? "acp" : "mcp");
if (options === undefined) throw new Error("wrap: [--flag VALUE]… -- COMMAND…");
// On a machine that is busy beyond measure an earlier answer, and the recorder's end, are waited for all the same.
endLike(await run({ ...options, findMillis: 10_000, flushMillis: Number(process.env["WRAP_FLUSH_MILLIS"] ?? 60_000) }));
