/**
 * The read models as of an earlier moment, to be asked like those of now.
 *
 * Room: main.
 */
import { Effect, Layer } from "effect";
import { readModels } from "../../projections/all.ts";
import { BadRequest } from "../edge/cli/Failure.ts";
import { asOf, type Moment } from "../projection/AsOf.ts";
import { querying } from "./Querying.ts";

/** Behind `path`, without what came after the moment. */
export const queryingAsOf = (path: string, moment: Moment) =>
  Layer.unwrap(
    asOf({ path, projections: readModels, moment }).pipe(
      Effect.catchTag("NoSuchMoment", ({ hint, message }) => Effect.fail(new BadRequest({ message, hint }))),
      Effect.map(({ file }) => querying(file)),
    ),
  );
