/**
 * Buckets for a program that may begin before its server: connected at the first use, and again when the server moved.
 *
 * Room: coordination. In: log (the connection), BucketKv. Out: PresentSessions, RecollectInbox.
 *
 * A bucket that is opened here is there at once. Each use dials for as long as the server cannot be reached; a watch
 * waits for it. Dialled anew when the server is away and its address has changed.
 */
import { Context, Effect, Exit, Layer, Option, Schedule, Scope, Semaphore, Stream } from "effect";
import * as NatsConnection from "../log/NatsConnectionNats.ts";
import { type Bucket, type BucketError, Buckets, BucketUnavailable, type Settings } from "./Bucket.ts";
import * as BucketKv from "./BucketKv.ts";

export interface Options {
  /** Where the server is at this moment; none when nobody runs one. */
  readonly address: Effect.Effect<Option.Option<string>>;
  readonly name?: string | undefined;
}

interface Open {
  readonly url: string;
  readonly link: NatsConnection.Link;
  readonly buckets: Buckets["Service"];
  readonly scope: Scope.Closeable;
  readonly opened: Map<string, Bucket>;
}

const unavailable = (bucket: string, reason: string) => new BucketUnavailable({ bucket, reason });

/** Connects once, in a scope of its own. */
const dial = Effect.fnUntraced(function* (url: string, name: string | undefined, bucket: string) {
  const scope = yield* Scope.fork(yield* Effect.scope);
  const connected = Effect.gen(function* () {
    const connection = yield* NatsConnection.make({ servers: url, name });
    const there = BucketKv.layer.pipe(Layer.provide(Layer.succeed(NatsConnection.NatsConnection, connection)));
    const buckets = Context.get(yield* Layer.build(there), Buckets);
    return { url, link: connection.link, buckets, scope, opened: new Map() } satisfies Open;
  });
  return yield* connected.pipe(
    Scope.provide(scope),
    Effect.mapError((problem) => unavailable(bucket, problem.message)),
    Effect.catchDefect((defect) => Effect.fail(unavailable(bucket, `the server at ${url}: ${String(defect)}`))),
    Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
  );
});

/** How often a watch that waits for its server looks. */
const look = Schedule.spaced(1_000).pipe(Schedule.jittered);

export const layer = (options: Options) =>
  Layer.effect(
    Buckets,
    Effect.gen(function* () {
      const scope = yield* Effect.scope;
      const one = yield* Semaphore.make(1);
      let current: Open | undefined;

      const connection = Effect.fnUntraced(function* (bucket: string) {
        if (current?.link.connected === true) return current;
        const address = yield* options.address;
        if (Option.isNone(address)) return yield* unavailable(bucket, "no instance is running");
        if (current !== undefined && current.url === address.value) return current;
        if (current !== undefined) yield* Scope.close(current.scope, Exit.void);
        current = undefined;
        return (current = yield* Scope.provide(dial(address.value, options.name, bucket), scope));
      });

      const open = (settings: Settings): Bucket => {
        const { name } = settings;
        const there = one.withPermit(
          Effect.gen(function* () {
            const { buckets, opened, scope: alive } = yield* connection(name);
            const known = opened.get(name);
            if (known !== undefined) return known;
            const made = yield* Scope.provide(buckets.open(settings), alive);
            opened.set(name, made);
            return made;
          }),
        );
        const use = <A, E extends BucketError>(run: (bucket: Bucket) => Effect.Effect<A, E>) =>
          Effect.flatMap(there, run);
        return {
          name,
          get: (key) => use((bucket) => bucket.get(key)),
          put: (key, value, lifetime) => use((bucket) => bucket.put(key, value, lifetime)),
          replace: (key, value, revision, lifetime) => use((bucket) => bucket.replace(key, value, revision, lifetime)),
          remove: (key, revision) => use((bucket) => bucket.remove(key, revision)),
          clear: (filter) => use((bucket) => bucket.clear(filter)),
          entries: (filter) => use((bucket) => bucket.entries(filter)),
          watch: (filter) =>
            // Looked for until it is there.
            Stream.unwrap(
              there.pipe(
                Effect.retry(look),
                Effect.orDie,
                Effect.map((bucket) => bucket.watch(filter)),
              ),
            ),
          now: use((bucket) => bucket.now),
          info: use((bucket) => bucket.info),
        };
      };
      return Buckets.of({ open: (settings) => Effect.sync(() => open(settings)) });
    }),
  );
