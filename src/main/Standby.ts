/**
 * Standing by: a command that uses another process's store runs it itself when that process ends.
 *
 * Room: main.
 *
 * Two commands without a daemon share the store of the one that came first; when that one is done, or is killed, the
 * other must not be left without a server. It starts one on the same store and, while that is free, the same port, so
 * its own connection comes back by itself: within half a second, where an append waits for two (`PatienceNats`). The
 * port can be another program's by then (every first store of a machine asks for 4222): the server gets another one, and
 * all standbys move their connections there.
 */
import { Effect, Layer, Option } from "effect";
import { NatsConnection } from "../log/connection/NatsConnectionNats.ts";
import { DataFolder } from "../machine/DataFolder.ts";
import * as FolderLock from "../machine/FolderLockSqlite.ts";
import * as Instance from "../machine/Instance.ts";
import type * as Daemon from "./Daemon.ts";
import * as DaemonWhenRun from "./DaemonWhenRun.ts";

/** A look at a lock that is held costs 0.2 ms. */
const lookMillis = 100;
/** Pause after a take-over that failed: another process may have more luck, with the lock free. */
const retryMillis = 1_000;

/** Options to run the instance's store in its place: with the same server, or one of our own. */
const inPlaceOf = (instance: Instance.Instance, access: Daemon.Options["access"]): Daemon.Options =>
  instance.server === undefined
    ? { natsUrl: instance.nats, port: undefined, role: "command", access }
    : { natsUrl: undefined, port: undefined, role: "command" };

/** Sends a connection that lost its server to the address of the instance that runs now. */
const follow = Effect.fnUntraced(function* (last: string) {
  const { link, nc } = yield* NatsConnection;
  if (link.connected) return last;
  const found = yield* Instance.find();
  if (Option.isNone(found) || found.value.nats === last) return last;
  nc.setServers([found.value.nats]);
  return found.value.nats;
});

/** Returns when this process holds the folder. Others who stand by may be quicker: then it goes on looking. */
const lockWhenFree = Effect.fnUntraced(function* (address: string) {
  const folder = yield* DataFolder;
  for (let last = address; ;) {
    yield* Effect.sleep(lookMillis);
    const holder = yield* FolderLock.holder(folder);
    if (Option.isSome(holder)) {
      last = yield* follow(last);
      continue;
    }
    const locked = yield* FolderLock.acquire().pipe(
      Effect.as(true),
      Effect.catchTag("FolderHeld", () => Effect.succeed(false)),
    );
    if (locked) return last;
  }
});

/** Standby until the scope closes. A take-over that fails is logged and retried. */
export const layer = (instance: Instance.Instance, access: Daemon.Options["access"]) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      let address = instance.nats;
      const inPlace = Effect.gen(function* () {
        address = yield* lockWhenFree(address);
        yield* Layer.build(DaemonWhenRun.layer(inPlaceOf(instance, access)));
        address = yield* follow(address);
        return yield* Effect.never;
      });
      yield* Effect.scoped(inPlace).pipe(
        Effect.catchCause((cause) =>
          Effect.logWarning("cannot run the store in the place of the one that ended; trying again", cause),
        ),
        Effect.andThen(Effect.sleep(retryMillis)),
        Effect.forever,
        Effect.forkScoped,
      );
    }),
  );
