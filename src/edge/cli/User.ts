/**
 * The user at this terminal.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { userInfo } from "node:os";

/** The user's name. A user without one is the program itself. */
export const user = Effect.sync(() => {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
});
