/**
 * SQL of a log whose database is not here.
 *
 * Room: client.
 */
import { Schema } from "effect";

/** The log is that of another data folder, or of none: its database is not here. */
export class NoDatabase extends Schema.TaggedError<NoDatabase>()("NoDatabase", {
  message: Schema.String,
  hint: Schema.String,
}) {}
