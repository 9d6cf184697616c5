/**
 * Claim of a data folder: by an instance that is found there, or by this process from now on.
 *
 * Room: main.
 *
 * Any command may be the first of several: whoever gets the folder's lock runs the parts and leaves its address there,
 * the others use it. Between lock and address lies a start (0.2 s, seconds with a large store, more while a
 * nats-server is fetched), which the others wait for.
 */
import { Clock, Effect, Option } from "effect";
import * as Output from "../edge/cli/Output.ts";
import { DataFolder } from "../machine/DataFolder.ts";
import * as FolderLock from "../machine/FolderLockSqlite.ts";
import * as Instance from "../machine/Instance.ts";
import * as StoreSwap from "../machine/StoreSwap.ts";

const lookMillis = 50;
/** A wait that lasts longer is explained to whoever waits. */
const silentMillis = 1_000;
/** A holder that says nothing for so long will not: 10 million events are recovered in less. */
const startPatienceMillis = 120_000;

const explain = Effect.fnUntraced(function* (holder: number, why: string) {
  const { root } = yield* DataFolder;
  const who = holder === 0 ? "another process" : `process ${holder}`;
  yield* Output.note(`Waiting for ${who}, which ${why} ${root} …`);
});

/** The folder's lock for the scope, or undefined and who has it. A heal that was interrupted while it exchanged the stream is completed. */
const tryLock = FolderLock.acquire().pipe(
  Effect.andThen(
    Effect.flatMap(DataFolder, ({ root }) => {
      const unreadable = StoreSwap.complete(root);
      return unreadable === undefined
        ? Effect.void
        : Effect.logWarning(`The journal of a heal cannot be read; it is kept as ${unreadable}. Run: recollect verify`);
    }),
  ),
  Effect.as({ _tag: "Locked" as const }),
  Effect.catchTag("FolderHeld", (held) => Effect.succeed(held)),
);

/** For a command: the instance that runs the store. None: no instance did, and the folder is ours for the scope. */
export const claim = Effect.fn("main.claim")(function* () {
  const since = yield* Clock.currentTimeMillis;
  for (let told = false; ;) {
    const found = yield* Instance.find();
    if (Option.isSome(found)) return found;
    const lock = yield* tryLock;
    if (lock._tag === "Locked") return Option.none<Instance.Instance>();
    const waited = (yield* Clock.currentTimeMillis) - since;
    if (waited > startPatienceMillis) return yield* lock;
    if (waited > silentMillis && !told) {
      told = true;
      yield* explain(lock.holder, "is starting on");
    }
    yield* Effect.sleep(lookMillis);
  }
});

/**
 * For a daemon: the folder must be its own. A command that holds it is waited for, a daemon is not: `FolderHeld`.
 */
export const claimAlone = Effect.fn("main.claimAlone")(function* () {
  let since = yield* Clock.currentTimeMillis;
  for (let told = false; ;) {
    const lock = yield* tryLock;
    if (lock._tag === "Locked") return;
    const found = yield* Instance.find();
    const now = yield* Clock.currentTimeMillis;
    const isCommand = Option.isSome(found) && found.value.role === "command";
    if (isCommand) since = now;
    else if (Option.isSome(found) || now - since > startPatienceMillis) return yield* lock;
    if (!told && (isCommand || now - since > silentMillis)) {
      told = true;
      yield* explain(lock.holder, "is at work on");
    }
    yield* Effect.sleep(lookMillis);
  }
});
