/**
 * The process that folds a database of an earlier moment: `PATH SEQUENCE FILE`, of the live database and the new one.
 *
 * Room: query.
 *
 * Writes to the standard output, a line each, up to which sequence it has come, and ends with its asker, whose end is the
 * end of the standard input.
 */
import { Effect } from "effect";
import { constants, setPriority } from "node:os";
import { readModels } from "../../../projections/all.ts";
import { foldUpTo } from "../../projection/AsOf.ts";

const [path = "", until = "", file = ""] = process.argv.slice(2);

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
process.stdin.on("end", () => process.exit(2)).resume();

const say = (sequence: number) => Effect.sync(() => void process.stdout.write(`${sequence}\n`));

const folded = foldUpTo({ path, projections: readModels, onProgress: say }, Number(until), file).pipe(
  Effect.match({
    onSuccess: () => 0,
    onFailure: ({ message }) => {
      process.stderr.write(message);
      return 1;
    },
  }),
);

process.exit(await Effect.runPromise(folded));
