/**
 * A watch that does not begin.
 *
 * Room: coordination.
 */
import { Schema } from "effect";

/** Too many watchers in this process, an invalid start position, or no bound for what waits. */
export class WatchRefused extends Schema.TaggedError<WatchRefused>()("WatchRefused", {
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}
