/**
 * Second names for the files of streams while a nats-server starts: what the server removes then is not gone.
 *
 * Room: machine.
 *
 * Decision: before each start, because nats-server 2.15.1 removes the whole folder of a compressed stream that has one
 * damaged block and no index ("Error recreating stream … s2: corrupt input", 30,000 events in 4 blocks, tried three times;
 * our own store or a bare one, all the same). Hard links take no room and 0.1 ms for each 8 MB. They go as soon as the
 * server has started and everything is still there, so that copies of the folder are not twice as large.
 *
 * Buckets are not held: they are folded or filled again, or small. Throws nothing: where links cannot be made, the server
 * starts as it always did.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import * as OwnFile from "./OwnFile.ts";

const isHeld = (stream: string): boolean => !stream.startsWith("KV_");

const guardOf = (storeFolder: string): string => join(storeFolder, "guard");

const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
};

const blocksIn = (folder: string): ReadonlyArray<string> =>
  namesIn(join(folder, "msgs")).filter((name) => name.endsWith(".blk"));

interface Held {
  /** The server's path, and its second name. */
  readonly place: string;
  readonly link: string;
}

/** A stream of that name that was made at another time is another one. */
const nameOf = (stream: string, place: string): string | undefined => {
  try {
    const meta = OwnFile.readText(join(place, "meta.inf"));
    const created = /"Created":"([^"]*)"/i.exec(meta)?.[1] ?? "";
    return `${stream}-${createHash("sha256").update(created).digest("hex").slice(0, 12)}`;
  } catch {
    return undefined;
  }
};

/** Every stream of the store that has blocks. */
const streamsIn = (storeFolder: string): ReadonlyArray<Held> => {
  const accounts = join(storeFolder, "jetstream");
  return namesIn(accounts).flatMap((account) => {
    const streams = join(accounts, account, "streams");
    return namesIn(streams).flatMap((stream) => {
      const place = join(streams, stream);
      const name = isHeld(stream) && blocksIn(place).length > 0 ? nameOf(stream, place) : undefined;
      return name === undefined ? [] : [{ place, link: join(guardOf(storeFolder), name) }];
    });
  });
};

const attempt = (work: () => void): void => {
  try {
    work();
  } catch {
    // A file system without links, or without room for names.
  }
};

/** Gives every stream's files a second name. A file that has one keeps it. */
export const hold = (storeFolder: string): void =>
  attempt(() => {
    for (const { link, place } of streamsIn(storeFolder)) {
      fs.mkdirSync(join(link, "msgs"), { recursive: true, mode: 0o700 });
      for (const name of ["meta.inf", "meta.sum"]) attempt(() => fs.copyFileSync(join(place, name), join(link, name)));
      for (const name of blocksIn(place)) {
        const second = join(link, "msgs", name);
        if (!fs.existsSync(second)) fs.linkSync(join(place, "msgs", name), second);
      }
    }
  });

/** Takes the second names away where the server has left everything in its place. */
export const release = (storeFolder: string): void =>
  attempt(() => {
    for (const { link, place } of streamsIn(storeFolder)) {
      const there = new Set(blocksIn(place));
      if (blocksIn(link).every((name) => there.has(name))) fs.rmSync(link, { recursive: true, force: true });
    }
    if (namesIn(guardOf(storeFolder)).length === 0) fs.rmSync(guardOf(storeFolder), { recursive: true, force: true });
  });

/** Folders of what the server has removed of a stream, the newest first. */
export const heldOf = (storeFolder: string, stream: string): ReadonlyArray<string> =>
  namesIn(guardOf(storeFolder))
    .filter((name) => name.startsWith(`${stream}-`) && name.length === stream.length + 13)
    .map((name) => join(guardOf(storeFolder), name))
    .toSorted((a, b) => fs.statSync(b).mtimeMs - fs.statSync(a).mtimeMs);
