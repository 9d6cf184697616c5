/** `recollect wrap` by itself, for tests: the arguments are those behind `wrap`. */
import { parse } from "../../src/edge/wrap/Arguments.ts";
import { endLike, run } from "../../src/edge/wrap/Wrap.ts";

const options = parse(process.argv.slice(2));
if (options === undefined) throw new Error("wrap: [--flag VALUE]… -- COMMAND…");
endLike(await run(options));
