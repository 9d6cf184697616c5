/**
 * The NATS server that a command means.
 *
 * Room: main.
 */
import { Effect } from "effect";
import type { Where } from "../edge/cli/Attach.ts";
import { variable } from "../machine/UserFolders.ts";

/** As given, else `RECOLLECT_NATS_URL`. Undefined: the instance's own. */
export const natsUrlOf = Effect.fnUntraced(function* (where: Where) {
  const url = (where.natsUrl ?? (yield* variable("RECOLLECT_NATS_URL"))).trim();
  return url === "" ? undefined : url;
});
