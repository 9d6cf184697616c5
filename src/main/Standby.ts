/**
 * Standing by: a command that uses another process's store runs it itself when that process ends.
 *
 * Room: main.
 *
 * Two commands without a daemon share the store of the one that came first; when that one is done, or is killed, the
 * other must not be left without a server. It starts one on the same store and the same port, so its own connection
 * comes back by itself: within half a second, where an append waits for two (`PatienceNats`).
 */
import { Effect, Layer, Option } from "effect";
import { DataFolder } from "../machine/DataFolder.ts";
import * as FolderLock from "../machine/FolderLockSqlite.ts";
import type { Instance } from "../machine/Instance.ts";
import type * as Daemon from "./Daemon.ts";
import * as DaemonWhenRun from "./DaemonWhenRun.ts";

/** A look at a lock that is held costs 0.2 ms. */
const lookMillis = 100;

/** Options to run the instance's store in its place: with the same server, or one of our own on the same port. */
const inPlaceOf = (instance: Instance, access: Daemon.Options["access"]): Daemon.Options =>
  instance.server === undefined
    ? { natsUrl: instance.nats, port: undefined, role: "command", access }
    : { natsUrl: undefined, port: Number(new URL(instance.nats).port), role: "command" };

/** Returns when this process holds the folder. Others who stand by may be quicker: then it goes on looking. */
const lockWhenFree = Effect.gen(function* () {
  const folder = yield* DataFolder;
  for (;;) {
    yield* Effect.sleep(lookMillis);
    const holder = yield* FolderLock.holder(folder);
    if (Option.isSome(holder)) continue;
    const locked = yield* FolderLock.acquire().pipe(
      Effect.as(true),
      Effect.catchTag("FolderHeld", () => Effect.succeed(false)),
    );
    if (locked) return;
  }
});

/** Stands by until the scope closes. What hinders a take-over is logged: the command then fails by itself. */
export const layer = (instance: Instance, access: Daemon.Options["access"]) =>
  Layer.effectDiscard(
    lockWhenFree.pipe(
      Effect.andThen(Layer.build(DaemonWhenRun.layer(inPlaceOf(instance, access)))),
      Effect.catchCause((cause) => Effect.logWarning("cannot run the store in the place of the one that ended", cause)),
      Effect.forkScoped,
    ),
  );
