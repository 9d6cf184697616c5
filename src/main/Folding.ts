/**
 * Parts that a daemon runs beside the log: the snapshotter, and the projector into the read models.
 *
 * Room: main.
 */
import { Layer } from "effect";
import { readModels } from "../../projections/all.ts";
import * as Projector from "../projection/Projector.ts";
import * as Snapshotter from "../snapshot/Snapshotter.ts";

/** The snapshotter, and the projector into the database at `path`. */
export const folding = (path: string) =>
  Layer.mergeAll(Snapshotter.layer(), Projector.layer({ path, projections: readModels }));
