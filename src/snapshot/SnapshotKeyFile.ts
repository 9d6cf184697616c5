/**
 * The key of a data folder's snapshots: 32 random bytes in a file of this user alone.
 *
 * Room: snapshot.
 *
 * Promises: a key that is there is never replaced; whoever runs the store makes it, whoever only uses the store reads it.
 * A file of that name that holds no key is replaced: nothing can have been sealed with it.
 */
import { Effect, Layer } from "effect";
import { randomBytes, randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { folderOf } from "../machine/KeyFiles.ts";
import * as OwnFile from "../machine/OwnFile.ts";
import * as SnapshotKey from "./SnapshotKey.ts";

const fileOf = (root: string): string => join(folderOf(root), "snapshots.key");

/** Key of the folder; `none` where its file holds none; undefined where there is no file, or none that can be read. */
const lookSync = (root: string): SnapshotKey.SnapshotKey | "none" | undefined => {
  try {
    const secret = Buffer.from(OwnFile.readText(fileOf(root)).trim(), "hex");
    return secret.byteLength === SnapshotKey.keyBytes ? SnapshotKey.keyOf(secret) : "none";
  } catch {
    return undefined;
  }
};

const readSync = (root: string): SnapshotKey.SnapshotKey | undefined => {
  const found = lookSync(root);
  return found === "none" ? undefined : found;
};

const makeSync = (root: string): void => {
  const file = fileOf(root);
  const found = lookSync(root);
  if (found !== undefined && found !== "none") return;
  const mine = `${file}.${randomUUID()}`;
  try {
    fs.mkdirSync(folderOf(root), { recursive: true, mode: 0o700 });
    const text = `${randomBytes(SnapshotKey.keyBytes).toString("hex")}\n`;
    fs.writeFileSync(mine, text, { flag: "wx", mode: 0o600, flush: true });
    // In one step: a process that is killed while it writes leaves no half of a key under this name.
    if (found === "none") fs.renameSync(mine, file);
    else fs.linkSync(mine, file);
  } catch {
    // It is there; or the folder takes no file, and then there are no snapshots.
  } finally {
    fs.rmSync(mine, { force: true });
  }
};

/** Looked for until it is there: a publisher may be older than the store. */
const remembered = (root: string) => {
  let known: SnapshotKey.SnapshotKey | undefined;
  return () => (known ??= readSync(root));
};

/** For whoever runs the store: the folder's key, made where there is none. */
export const layer = (root: string) =>
  Layer.effect(
    SnapshotKey.SnapshotKey,
    Effect.sync(() => {
      makeSync(root);
      return remembered(root);
    }),
  );

/** For whoever only uses it. */
export const layerExisting = (root: string) =>
  Layer.effect(
    SnapshotKey.SnapshotKey,
    Effect.sync(() => remembered(root)),
  );
