/**
 * Follows with the stamps of a data folder, and says there what is followed.
 *
 * Room: edge.
 */
import { Deferred, Effect, Path } from "effect";
import { EventLog } from "../../../log/EventLog.ts";
import type { ImportReport } from "../Report.ts";
import { openStamps } from "../StampsSqlite.ts";
import { follow, type FollowOptions, type News } from "./Follow.ts";
import { keepStatus } from "./FollowStatus.ts";
import type { Watched } from "./FolderWatch.ts";

interface KeptOptions<E, R> extends Pick<FollowOptions<E, R>, "onNews" | "onProgress" | "roots"> {
  /** The data folder. */
  readonly folder: string;
  readonly tenant: string;
  /** Run when everything that was there is imported. */
  readonly onBegun?: ((report: ImportReport, watched: Watched) => Effect.Effect<void>) | undefined;
}

/** Follows until it is interrupted. */
export const followKept = Effect.fn("edge.followKept")(function* <E, R>(options: KeptOptions<E, R>) {
  const { folder, onBegun, onNews, onProgress, roots, tenant } = options;
  const path = yield* Path.Path;
  const log = yield* EventLog;
  const { created, lastSequence } = yield* log.info;
  const stamps = yield* openStamps(path.join(folder, "imports.db"), { tenant, created, lastSequence });
  const begun = yield* Deferred.make<readonly [ImportReport, () => Watched]>();
  let keep: ((news: News) => void) | undefined;
  const announced = Effect.gen(function* () {
    const [report, watched] = yield* Deferred.await(begun);
    keep = yield* keepStatus({ folder, tenant, watched });
    yield* onBegun?.(report, watched()) ?? Effect.void;
  });
  yield* Effect.forkScoped(announced);
  return yield* follow({
    roots,
    tenant,
    stamps,
    onProgress,
    onBegun: (report, watched) => Deferred.doneUnsafe(begun, Effect.succeed([report, watched] as const)),
    onNews: (news) => {
      keep?.(news);
      onNews?.(news);
    },
  });
}, Effect.scoped);
