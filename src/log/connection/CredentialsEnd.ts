/**
 * The end of this process's credentials: the earliest of a `.creds` file's token and a certificate.
 *
 * Room: log.
 */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerAccess } from "./ServerAccess.ts";

const attempt = <A>(look: () => A): A | undefined => {
  try {
    return look();
  } catch {
    return undefined;
  }
};

/** `exp` of the user's JWT, epoch seconds there. A file of `recollect access add` holds a seed and no token: it has no end. */
const tokenEnd = (file: string): number | undefined =>
  attempt(() => {
    const token = /-----BEGIN NATS USER JWT-----\s+(\S+)/.exec(readFileSync(file, "utf8"))?.[1];
    const claims: unknown = JSON.parse(Buffer.from(token?.split(".")[1] ?? "", "base64url").toString());
    const end: unknown = typeof claims === "object" && claims !== null && "exp" in claims ? claims.exp : undefined;
    return typeof end === "number" && end > 0 ? end * 1000 : undefined;
  });

const certificateEnd = (file: string): number | undefined =>
  attempt(() => {
    const end = Date.parse(new X509Certificate(readFileSync(file)).validTo);
    return Number.isNaN(end) ? undefined : end;
  });

/** Epoch milliseconds; undefined where nothing ends. */
export const credentialsEnd = ({ credentials, tls }: ServerAccess): number | undefined => {
  const ends = [
    credentials?._tag === "CredentialsFile" ? tokenEnd(credentials.path) : undefined,
    tls?.certFile === undefined ? undefined : certificateEnd(tls.certFile),
  ].filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : Math.min(...ends);
};
