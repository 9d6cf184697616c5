/** Files and the caches of two processes that read them, on a server. */
import { Clock, Effect, Layer } from "effect";
import * as fs from "node:fs";
import { join } from "node:path";
import * as CacheWireNats from "../src/coordination/cache/CacheSharingNats.ts";
import * as Configuration from "../src/coordination/config/Configuration.ts";
import * as FileCache from "../src/coordination/cache/FileCache.ts";
import * as EventLogNats from "../src/log/EventLogNats.ts";
import * as NatsConnection from "../src/log/connection/NatsConnectionNats.ts";
import { temporaryFolder } from "./Servers.ts";

/** A source file as most are. */
export const fileBytes = 8 * 1024;

/** A clock a minute ahead: a file that was written just now is no longer too young to be kept. */
const later = Effect.map(Clock.Clock, (real) => {
  const millis = () => real.currentTimeMillisUnsafe() + 60_000;
  return Object.assign(Object.create(real) as Clock.Clock, {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
  });
});

/** The cache of one process, on a connection of its own. */
export const cacheOn = Effect.fnUntraced(function* (servers: string) {
  const around = Layer.merge(CacheWireNats.layer, Configuration.layer()).pipe(
    Layer.provide(EventLogNats.layer()),
    Layer.provide(NatsConnection.layer({ servers, name: "bench" })),
  );
  const built = yield* Layer.build(around);
  return yield* FileCache.make().pipe(Effect.provide(built), Effect.provideService(Clock.Clock, yield* later));
});

/** So many files of `fileBytes`, each another. */
export const files = Effect.fnUntraced(function* (count: number) {
  const folder = yield* temporaryFolder;
  return yield* Effect.sync(() =>
    Array.from({ length: count }, (_, at) => {
      const path = join(folder, `${at}.txt`);
      fs.writeFileSync(path, `${at} `.repeat(fileBytes).slice(0, fileBytes));
      return path;
    }),
  );
});
