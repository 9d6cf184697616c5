/**
 * The daemon follows transcripts while `import.follow` says so: the places of all agents, and `import.paths`.
 *
 * Room: main.
 */
import { Effect, Layer, Path, Stream } from "effect";
import { Configuration } from "../coordination/config/Configuration.ts";
import { defaultTenant } from "../domain/History.ts";
import { EventLog } from "../log/EventLog.ts";

const follower = Effect.fnUntraced(function* (folder: string, paths: ReadonlyArray<string>) {
  // Loaded when it is chosen: a daemon without it starts sooner.
  const { agentRoots } = yield* Effect.promise(() => import("../edge/import/follow/AgentRoots.ts"));
  const { followKept } = yield* Effect.promise(() => import("../edge/import/follow/FollowKept.ts"));
  const path = yield* Path.Path;
  const roots = Effect.map(agentRoots, (found) => [...found, ...paths.map((one) => ({ path: path.resolve(one) }))]);
  return yield* followKept({ folder, roots, tenant: defaultTenant });
});

/** For as long as the scope is open, and again after any failure. */
export const layer = (folder: string) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const config = yield* Configuration;
      yield* EventLog;
      const chosen = Stream.zipLatest(config.watch("import.follow"), config.watch("import.paths"));
      const run = ([isFollowed, paths]: readonly [boolean, ReadonlyArray<string>]) =>
        isFollowed
          ? follower(folder, paths).pipe(
              Effect.catchCause((cause) => Effect.logWarning("transcripts are not followed for a moment", cause)),
              Effect.andThen(Effect.sleep("10 seconds")),
              Effect.forever,
            )
          : Effect.never;
      yield* chosen.pipe(
        Stream.changesWith((left, right) => JSON.stringify(left) === JSON.stringify(right)),
        Stream.switchMap((now) => Stream.fromEffect(run(now))),
        Stream.runDrain,
        Effect.forkScoped,
      );
    }),
  );
