/**
 * Address at which a store is reached from other machines, and the certificate under which it is served.
 *
 * Room: machine.
 *
 * Promises: elsewhere than on loopback nothing is served without TLS; certificate and key are looked at before anything
 * listens; what `recollect up` was told stands in `listen.json` until the next `up`, for each writer of nats-server's
 * configuration meanwhile and for this user's own commands, which then trust that one certificate.
 */
import { Effect, FileSystem, Option, Schema } from "effect";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { folderTrouble } from "./DataFolder.ts";
import * as OwnFile from "./OwnFile.ts";

export const Listen = Schema.Struct({
  /** Of this machine: an IP address or a name. `0.0.0.0` and `::` are all of them. */
  address: Schema.String,
  /** PEM, absolute paths. */
  certFile: Schema.String,
  keyFile: Schema.String,
});
export type Listen = typeof Listen.Type;

/** It is not listened there: without TLS, or with files that do not fit. Nothing was started. */
export class ListenRefused extends Schema.TaggedError<ListenRefused>()("ListenRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const how =
  "Give --listen-cert FILE and --listen-key FILE (PEM), or leave --listen out: the store then serves this machine only.";

/** True for addresses that no other machine reaches. */
export const isLoopback = (address: string): boolean =>
  address === "localhost" || address === "::1" || (isIP(address) === 4 && address.startsWith("127."));

/** Address at which this machine itself dials what listens there. */
export const dialled = (address: string): string =>
  address === "0.0.0.0" || address === "::" || address === "[::]" ? "127.0.0.1" : address;

const textOf = (path: string) =>
  Effect.try({
    try: () => readFileSync(path, "utf8"),
    catch: (error) =>
      new ListenRefused({
        message: `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}.`,
        hint: how,
      }),
  });

/** Certificate and key as they are used; fails where one cannot be read or they are not of each other. */
export const filesOf = Effect.fn("machine.listenFiles")(function* ({ certFile, keyFile }: Listen) {
  const cert = yield* textOf(certFile);
  const key = yield* textOf(keyFile);
  yield* Effect.try({
    try: () => createSecureContext({ cert, key }),
    catch: (error) =>
      new ListenRefused({
        message: `${certFile} and ${keyFile} are no certificate and its key: ${error instanceof Error ? error.message : String(error)}.`,
        hint: how,
      }),
  });
  return { cert, key };
});

/** The request, when it may be granted; fails with `ListenRefused`. Undefined: this machine only. */
export const wanted = Effect.fn("machine.wantListen")(function* (asked: {
  readonly address: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}) {
  const { address, certFile, keyFile } = asked;
  if (address === undefined) {
    if (certFile === undefined && keyFile === undefined) return undefined;
    return yield* new ListenRefused({ message: "A certificate is for --listen ADDRESS, which is missing.", hint: how });
  }
  if (certFile === undefined || keyFile === undefined) {
    if (isLoopback(address) && certFile === keyFile) return undefined;
    return yield* new ListenRefused({
      message: `Nothing is served at ${address} without TLS: messages, and tokens of HTTP, would travel in the clear.`,
      hint: how,
    });
  }
  const listen = { address, certFile, keyFile } satisfies Listen;
  yield* filesOf(listen);
  return listen;
});

/** Names and addresses that the certificate is for. */
export const namesIn = (cert: string): ReadonlyArray<string> =>
  (new X509Certificate(cert).subjectAltName ?? "")
    .split(", ")
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1]?.toLowerCase() ?? []);

const File = Schema.fromJsonString(Listen);
const fileOf = (root: string): string => `${root}/listen.json`;
const decode = Schema.decodeUnknownOption(File);

/** Setting of the last `up`; undefined for this machine only. Plain: asked at each dial. */
export const read = (root: string): Listen | undefined => {
  try {
    return Option.getOrUndefined(decode(OwnFile.readText(fileOf(root))));
  } catch {
    return undefined;
  }
};

export const write = Effect.fn("machine.writeListen")(function* (root: string, listen: Listen | undefined) {
  const fs = yield* FileSystem.FileSystem;
  const path = fileOf(root);
  const text = listen === undefined ? undefined : yield* Effect.orDie(Schema.encodeEffect(File)(listen));
  const writing =
    text === undefined ? fs.remove(path, { force: true }) : fs.writeFileString(path, text, { mode: 0o600 });
  yield* writing.pipe(Effect.mapError((cause) => folderTrouble({ path, cause })));
});
