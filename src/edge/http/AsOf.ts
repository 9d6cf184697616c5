/**
 * The read models as of the moment that a request names, for every door of a daemon.
 *
 * Room: edge.
 */
import { Clock, Effect } from "effect";
import { EarlierStores } from "../../query/earlier/EarlierStores.ts";
import { QueryRefused } from "../../query/Sql.ts";
import { momentHint, recordMomentOf } from "../cli/ParseTime.ts";

/** As of a sequence or a time, as a person writes it; while the scope is open. */
export const asOf = Effect.fnUntraced(function* (written: string) {
  const moment = recordMomentOf(written, yield* Clock.currentTimeMillis);
  if (moment === undefined)
    return yield* new QueryRefused({
      message: `${written.slice(0, 80)} is neither a sequence nor a time.`,
      hint: `${momentHint} Or a sequence: 1234.`,
    });
  const stores = yield* EarlierStores;
  return yield* stores
    .at(moment)
    .pipe(Effect.catchTag("NoSuchMoment", ({ hint, message }) => new QueryRefused({ message, hint })));
});
