/**
 * A process of the user `nobody` with a cache of files: says of each file where it came from, or why it was not given.
 *
 * It becomes `nobody` when it has loaded everything, because the repository may lie where only root can read.
 */
import { Clock, Effect, Layer } from "effect";
import * as CacheWireNats from "../../src/coordination/cache/CacheSharingNats.ts";
import * as Configuration from "../../src/coordination/config/Configuration.ts";
import * as FileCache from "../../src/coordination/cache/FileCache.ts";
import { ahead, hour } from "../support/ahead.ts";
import { logAt } from "../log/natsLayers.ts";

const [url = "", tenant = "", ...paths] = process.argv.slice(2);
const nobody = 65_534;

const program = Effect.gen(function* () {
  const made = yield* Effect.provideService(
    FileCache.make({ patienceMillis: 10_000 }),
    Clock.Clock,
    ahead({ millis: hour }),
  );
  yield* Effect.sync(() => {
    process.setgroups?.([nobody]);
    process.setgid?.(nobody);
    process.setuid?.(nobody);
  });
  const said = yield* Effect.forEach(paths, (path) =>
    made.read(path).pipe(
      Effect.map(({ from }) => from as string),
      Effect.catch((error) =>
        Effect.succeed(error._tag === "FileUnreadable" ? `${error._tag} ${error.reason}` : error._tag),
      ),
    ),
  );
  process.stdout.write(`${JSON.stringify(said)}\n`);
});

const layer = Layer.merge(CacheWireNats.layer, Configuration.layer({ tenant })).pipe(Layer.provide(logAt(url)));
await Effect.runPromise(Effect.scoped(Effect.provide(program, layer)));
