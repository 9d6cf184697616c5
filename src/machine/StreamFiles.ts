/**
 * The files of a stream in nats-server's store: whether they hold something, and a copy of them aside.
 *
 * Room: machine.
 *
 * A server that cannot load a stream leaves its files and says that there is none; making a stream of that name then
 * empties them (nats-server 2.15.1). So they are looked for before a stream is made, and copied before anything else.
 */
import { createHash } from "node:crypto";
import { constants, cpSync, existsSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import * as StreamLinks from "./StreamLinks.ts";

interface Block {
  readonly path: string;
  readonly bytes: number;
  readonly changedAt: number;
}

const entriesOf = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** Folders of a stream of that name, over all accounts of the store, and what a start of the server has removed of it. */
const foldersOf = (natsStore: string, stream: string): ReadonlyArray<string> => [
  ...entriesOf(join(natsStore, "jetstream"))
    .map((account) => join(natsStore, "jetstream", account, "streams", stream))
    .filter((folder) => existsSync(folder)),
  ...StreamLinks.heldOf(natsStore, stream),
];

const blocksIn = (folder: string): ReadonlyArray<Block> =>
  entriesOf(join(folder, "msgs"))
    .filter((name) => name.endsWith(".blk"))
    .map((name) => join(folder, "msgs", name))
    .flatMap((path) => {
      // A server that runs removes a block in between.
      const found = statSync(path, { throwIfNoEntry: false });
      return found === undefined || found.size === 0 ? [] : [{ path, bytes: found.size, changedAt: found.mtimeMs }];
    });

/** Bytes in the blocks of a stream of that name; 0 where there are none. */
export const bytesOf = (natsStore: string, stream: string): number =>
  foldersOf(natsStore, stream)
    .flatMap(blocksIn)
    .reduce((sum, { bytes }) => sum + bytes, 0);

/** Outcome of the copy. */
export type Aside =
  | { readonly _tag: "Kept"; readonly folder: string }
  | { readonly _tag: "NoRoom"; readonly bytes: number; readonly free: number }
  | { readonly _tag: "Failed"; readonly why: string };

/** Left free on the disk: a copy must not be why the next append has no room. */
const roomBytes = 256 * 1024 * 1024;

/**
 * Copies the files of a stream into the folder `aside`, once for each state they are in. Throws nothing.
 *
 * Decision: a reflink where the file system has it (btrfs, XFS: no time, no room), else a copy.
 */
export const keepAside = (options: {
  readonly natsStore: string;
  readonly stream: string;
  readonly aside: string;
}): Aside => {
  const { aside, natsStore, stream } = options;
  const folders = foldersOf(natsStore, stream);
  const blocks = folders.flatMap(blocksIn);
  const state = createHash("sha256").update(JSON.stringify(blocks)).digest("hex").slice(0, 12);
  const folder = join(aside, `${stream}-${state}`);
  try {
    if (existsSync(folder)) return { _tag: "Kept", folder };
    const bytes = blocks.reduce((sum, block) => sum + block.bytes, 0);
    const { bavail, bsize } = statfsSync(natsStore);
    const free = bavail * bsize;
    if (free < bytes + roomBytes) return { _tag: "NoRoom", bytes, free };
    const unfinished = `${folder}.partial`;
    rmSync(unfinished, { recursive: true, force: true });
    for (const [index, from] of folders.entries()) {
      const to = folders.length === 1 ? unfinished : join(unfinished, String(index));
      cpSync(from, to, { recursive: true, preserveTimestamps: true, mode: constants.COPYFILE_FICLONE });
    }
    renameSync(unfinished, folder);
    return { _tag: "Kept", folder };
  } catch (cause) {
    return { _tag: "Failed", why: cause instanceof Error ? cause.message : String(cause) };
  }
};
