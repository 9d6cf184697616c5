/**
 * The key of a data folder's snapshots: 32 random bytes in a file of this user alone.
 *
 * Room: snapshot.
 *
 * Promises: a key that is there is never replaced; whoever runs the store makes it, whoever only uses the store reads it.
 */
import { Effect, Layer } from "effect";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { folderOf } from "../machine/KeyFiles.ts";
import * as OwnFile from "../machine/OwnFile.ts";
import * as SnapshotKey from "./SnapshotKey.ts";

const fileOf = (root: string): string => join(folderOf(root), "snapshots.key");

const readSync = (root: string): SnapshotKey.SnapshotKey | undefined => {
  try {
    const secret = Buffer.from(OwnFile.readText(fileOf(root)).trim(), "hex");
    return secret.byteLength === SnapshotKey.keyBytes ? SnapshotKey.keyOf(secret) : undefined;
  } catch {
    return undefined;
  }
};

const makeSync = (root: string): void => {
  try {
    fs.mkdirSync(folderOf(root), { recursive: true, mode: 0o700 });
    // `wx`: a key that is there stays.
    fs.writeFileSync(fileOf(root), `${randomBytes(SnapshotKey.keyBytes).toString("hex")}\n`, {
      flag: "wx",
      mode: 0o600,
    });
  } catch {
    // It is there; or the folder takes no file, and then there are no snapshots.
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
