/**
 * The keys of a data folder: who may speak to its nats-server, as nkeys (Ed25519) in files of this user alone.
 *
 * Room: machine.
 *
 * Promises: a key that is there is never replaced; a file that holds none any more is put aside by a start of the server, which
 * makes another key and says so; a key file is 0600 and lies in a folder of 0700; the server's
 * configuration holds public keys only, and a key answers a challenge, so nothing secret is ever sent.
 */
import { nkeys } from "@nats-io/transport-node";
import { Effect, FileSystem, Path } from "effect";
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { FolderUnusable, folderTrouble } from "./DataFolder.ts";
import { fileOf, folderOf, type KeyName } from "./KeyFiles.ts";
import * as OwnFile from "./OwnFile.ts";

/** Proves who we are: signs what the server sends. */
export interface Signer {
  readonly publicKey: string;
  readonly sign: (nonce: Uint8Array) => Uint8Array;
}

export type Keys = { readonly [_ in KeyName]: Signer };

/** The seed of a user in a text: a seed file, or a `.creds` file. */
export const seedIn = (text: string): string | undefined => /(?<![A-Z2-7])SU[A-Z2-7]{56}(?![A-Z2-7])/.exec(text)?.[0];

/** Behind it 32 bytes are an Ed25519 key in PKCS #8 (RFC 8410). */
const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");
/** Pairs of the library have their 32 bytes, and its types do not say so. */
type Pair = ReturnType<typeof nkeys.fromSeed> & { readonly getRawSeed: () => Uint8Array };

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/** Base 32 of RFC 4648 without padding. */
const inBase32 = (bytes: Uint8Array): string => {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? []).map((five) => base32[parseInt(five.padEnd(5, "0"), 2)]).join("");
};

/** CRC-16 of XMODEM, as nkeys end with it. */
const crc16 = (bytes: Uint8Array): number =>
  bytes.reduce((crc, byte) => {
    let next = crc ^ (byte << 8);
    for (let bit = 0; bit < 8; bit++) next = (next & 0x8000 ? (next << 1) ^ 0x1021 : next << 1) & 0xffff;
    return next;
  }, 0);

/** The first byte of a user's public key: it begins with `U`. */
const userPrefix = 20 << 3;

/** A user's public key as NATS writes it: prefix, key, checksum. */
const publicKeyOf = (key: KeyObject): string => {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const bytes = Buffer.concat([Buffer.of(userPrefix), spki.subarray(-32), Buffer.alloc(2)]);
  bytes.writeUInt16LE(crc16(bytes.subarray(0, -2)), bytes.length - 2);
  return inBase32(bytes);
};

/**
 * Undefined for what is no seed.
 *
 * Node's own Ed25519: the library's, in JavaScript, took a third of the processor of a daemon at rest, which asks its
 * server how it is, and 50 ms of each command's start for the public key alone.
 */
export const signerOf = (seed: string): Signer | undefined => {
  try {
    if (!seed.startsWith("SU")) return undefined;
    const pair = nkeys.fromSeed(new TextEncoder().encode(seed)) as Pair;
    const key = createPrivateKey({ key: Buffer.concat([pkcs8, pair.getRawSeed()]), format: "der", type: "pkcs8" });
    return { publicKey: publicKeyOf(key), sign: (nonce) => sign(null, nonce, key) };
  } catch {
    return undefined;
  }
};

/** A new user: the seed to keep, and the public key to give away. */
export const create = (): { readonly seed: string; readonly publicKey: string } => {
  const pair = nkeys.createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
};

/** The key of a file, made where there is no file; undefined when the file holds none. */
const one = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  const { seed } = create();
  // `wx`: a key that is there stays.
  const made = fs.writeFileString(file, `${seed}\n`, { flag: "wx", mode: 0o600 });
  yield* made.pipe(
    Effect.catchTag("PlatformError", (cause) =>
      cause.reason._tag === "AlreadyExists" ? Effect.void : Effect.fail(folderTrouble({ path: file, cause })),
    ),
  );
  const text = yield* OwnFile.text(file).pipe(Effect.mapError((cause) => folderTrouble({ path: file, cause })));
  return signerOf(seedIn(text) ?? "");
});

/** Of a file that was damaged: keys open this folder's own server alone, so that another one does as well. */
const another = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  const aside = `${file}.damaged`;
  yield* fs.rename(file, aside).pipe(Effect.mapError((cause) => folderTrouble({ path: file, cause })));
  yield* Effect.logWarning(`${file} was no nkey any more: it is ${aside} now, and another key was made`);
  return yield* one(file);
});

const damaged = (file: string) =>
  new FolderUnusable({
    reason: "other",
    path: file,
    message: `${file} is no nkey.`,
    hint: "Start `recollect up` again: it puts the file aside and makes another key.",
  });

/** The folder's keys, made where they are missing; with `mends` also where a file holds none, else that is an error. */
export const ensure = Effect.fn("machine.ensureKeys")(function* (root: string, options: { readonly mends: boolean }) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const folder = folderOf(path.resolve(root));
  yield* fs
    .makeDirectory(folder, { recursive: true, mode: 0o700 })
    .pipe(Effect.mapError((cause) => folderTrouble({ path: folder, cause })));
  const key = Effect.fnUntraced(function* (name: KeyName) {
    const file = fileOf(root, name);
    const found = (yield* one(file)) ?? (options.mends ? yield* another(file) : undefined);
    return found ?? (yield* damaged(file));
  });
  const [daemon, local, system] = yield* Effect.all([key("daemon"), key("local"), key("system")]);
  return { daemon, local, system } satisfies Keys;
});
