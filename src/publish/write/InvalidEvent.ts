/**
 * An event that its type refuses.
 *
 * Room: publish.
 */
import { Schema } from "effect";

/** The event is not what its type promises. Nothing was written; saying it again does not help. */
export class InvalidEvent extends Schema.TaggedError<InvalidEvent>()("InvalidEvent", {
  type: Schema.String,
  message: Schema.String,
  hint: Schema.String,
}) {}
