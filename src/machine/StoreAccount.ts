/**
 * The account under which nats-server keeps the store, as a folder of its files.
 *
 * Room: machine.
 *
 * nats-server keeps the streams of each account in `jetstream/<account>`. A server without accounts has one, `$G`, which
 * can export nothing to others; so the store has an account of a name. A store that was made without one is moved over
 * before the server starts: one rename, which happens or does not.
 */
import { Effect, FileSystem } from "effect";
import { FolderUnusable, folderTrouble } from "./DataFolder.ts";

/** Account of a server without accounts, as nats-server names it. */
const noAccount = "$G";

export const streamsOf = (storeFolder: string, account: string): string =>
  `${storeFolder}/jetstream/${account}/streams`;

/** Moves what a server without accounts has kept to `account`. The server does not run, and no other process starts one. */
export const claim = Effect.fn("machine.claimAccount")(function* (options: {
  readonly storeFolder: string;
  readonly account: string;
}) {
  const { account, storeFolder } = options;
  const fs = yield* FileSystem.FileSystem;
  const from = `${storeFolder}/jetstream/${noAccount}`;
  const to = `${storeFolder}/jetstream/${account}`;
  const there = (path: string) => fs.exists(path).pipe(Effect.orElseSucceed(() => false));
  if (!(yield* there(streamsOf(storeFolder, noAccount)))) return;
  if (yield* there(`${to}/streams`)) {
    return yield* new FolderUnusable({
      reason: "other",
      path: from,
      message: `${storeFolder} holds two stores: one of a server without accounts (${from}), and the one of the account ${account}.`,
      hint: "Nothing was changed. Move one of the two folders away: the one that is left is used.",
    });
  }
  yield* fs.remove(to, { recursive: true, force: true }).pipe(
    Effect.andThen(fs.rename(from, to)),
    Effect.mapError((cause) => folderTrouble({ path: from, cause })),
  );
});
