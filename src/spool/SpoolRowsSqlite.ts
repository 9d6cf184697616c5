/**
 * A row of the spool as the command it was, or what is wrong with it.
 *
 * Room: spool.
 *
 * A row whose digest is another than the one it was accepted with is never given out: it is set aside, with what is
 * known of it.
 */
import type Database from "better-sqlite3";
import { crc32 } from "node:zlib";
import type { History } from "../domain/History.ts";
import type { StreamEnd } from "../log/EventLog.ts";
import type { Accepted } from "./AcceptedList.ts";
import type { Blob, Command, SpooledCommand } from "./Spool.ts";
import * as SpoolCodec from "./SpoolCodec.ts";
import { digestOf, digestOfBytes } from "./SpoolDigest.ts";

export interface Row {
  readonly position: number;
  readonly target: string;
  readonly accepted_at: number;
  readonly insisted: number | null;
  readonly body: string;
  readonly digest: string | null;
  readonly tried: string | null;
}

export const columns = "position, target, accepted_at, insisted, body, digest, tried";

/** A row that must not be delivered. */
export interface Bad {
  readonly position: number;
  readonly reason: string;
}

export const historyText = ({ id, kind, tenant }: History): string => JSON.stringify([tenant, kind, id]);

/** Begins the reason of a row that is not what was accepted. */
export const damaged = "damaged on this disk:";
export const isDamaged = (reason: string): boolean => reason.startsWith(damaged);

const checkOf = (position: number, { created, sequence }: StreamEnd): number =>
  crc32(`${position} ${created} ${sequence}`);

/** End of the stream before the first attempt to deliver the command, with a check of its own. */
export const triedText = (position: number, end: StreamEnd): string =>
  JSON.stringify({ created: end.created, sequence: end.sequence, check: checkOf(position, end) });

/** A note that has changed says nothing: the command is then looked for in its whole history. */
const triedOf = ({ position, tried }: Row): StreamEnd | undefined => {
  try {
    const { check, created, sequence } = JSON.parse(tried ?? "") as StreamEnd & { readonly check: number };
    return check === checkOf(position, { created, sequence }) ? { created, sequence } : undefined;
  } catch {
    return undefined;
  }
};

export interface BlobDigest {
  readonly sha256: string;
  readonly digest: string;
}

export const blobDigests = (blobs: ReadonlyArray<Blob>): ReadonlyArray<BlobDigest> =>
  [...new Map(blobs.map(({ bytes, sha256 }) => [sha256, bytes] as const))]
    .map(([sha256, bytes]) => ({ sha256, digest: digestOfBytes(bytes) }))
    .toSorted((one, other) => (one.sha256 < other.sha256 ? -1 : 1));

export interface RowStatements {
  readonly digestsOf: Database.Statement<[number], { readonly sha256: string; readonly digest: string | null }>;
  readonly blobsOf: Database.Statement<
    [number],
    { readonly sha256: string; readonly digest: string | null; readonly bytes: Buffer }
  >;
}

export const rowStatements = (database: Database.Database): RowStatements => ({
  digestsOf: database.prepare("SELECT sha256, digest FROM blobs WHERE position = ? ORDER BY sha256"),
  blobsOf: database.prepare("SELECT sha256, digest, bytes FROM blobs WHERE position = ? ORDER BY sha256"),
});

/** The digest of what lies there now. */
export const digestNow = (row: Row, { digestsOf }: RowStatements): string =>
  digestOf({
    ...row,
    blobs: digestsOf.all(row.position).map(({ digest, sha256 }) => ({ sha256, digest: digest ?? "" })),
  });

const told = (known: Accepted | undefined): string =>
  known === undefined
    ? ""
    : `; accepted was ${known.type ?? "an event"} ${known.eventId ?? ""} of ${known.history ?? "?"}`;

/** Entry of the list of accepted commands for a number; asked only about a row that is not well by itself. */
export type Known = (position: number) => Accepted | undefined;

/** Fault of a row. One without a digest is of an earlier version, unless the list knows better. */
const wrongWith = (row: Row, statements: RowStatements, knownOf: Known): string | undefined => {
  const now = digestNow(row, statements);
  if (now === row.digest) return undefined;
  const known = knownOf(row.position);
  const accepted = known?.digest ?? row.digest;
  if (accepted === now || accepted === null) return undefined;
  return `${damaged} it is not what was accepted (SHA-256 ${accepted})${told(known)}`;
};

/** The command of a row, without the bytes of blobs. */
export const commandOf = (row: Row, statements: RowStatements, knownOf: Known): Omit<SpooledCommand, "blobs"> | Bad => {
  const { accepted_at: acceptedAt, insisted, position } = row;
  const wrong = wrongWith(row, statements, knownOf);
  if (wrong !== undefined) return { position, reason: wrong };
  try {
    const plain = SpoolCodec.decode(row.body);
    const after = triedOf(row);
    const { isNew: _, ...rest } = plain;
    // It was tried before, from an unknown point on.
    if (after === undefined && row.tried !== null) return { position, acceptedAt, isInsisted: insisted === 1, ...rest };
    return { position, acceptedAt, isInsisted: insisted === 1, ...plain, ...(after === undefined ? {} : { after }) };
  } catch (cause) {
    return {
      position,
      reason: `${damaged} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}${told(knownOf(position))}`,
    };
  }
};

/** The blobs of a command whose row is well, or what is wrong with one of them. */
export const blobsOf = (position: number, statements: RowStatements, knownOf: Known): ReadonlyArray<Blob> | Bad => {
  const blobs = statements.blobsOf.all(position);
  const wrong = blobs.find(({ bytes, digest }) => digest !== null && digestOfBytes(bytes) !== digest);
  return wrong === undefined
    ? blobs.map(({ bytes, sha256 }) => ({ sha256, bytes }))
    : { position, reason: `${damaged} the bytes of the blob ${wrong.sha256} have changed${told(knownOf(position))}` };
};

/** The bytes of a blob, whichever command refers to it. */
export const blobBytes = (database: Database.Database | undefined, sha256: string): Uint8Array | undefined => {
  const found = database
    ?.prepare<[string], { digest: string | null; bytes: Buffer }>(
      "SELECT digest, bytes FROM blobs WHERE sha256 = ? LIMIT 1",
    )
    .get(sha256);
  return found === undefined || (found.digest !== null && digestOfBytes(found.bytes) !== found.digest)
    ? undefined
    : found.bytes;
};

/** Entry of the list for a command. */
export const acceptedOf = (
  row: Pick<Row, "accepted_at" | "position" | "target"> & { readonly digest: string },
  { event, history }: Pick<Command, "event" | "history">,
): Accepted => ({
  number: row.position,
  digest: row.digest,
  at: row.accepted_at,
  target: row.target,
  history: historyText(history),
  eventId: event.id,
  type: event.type,
});
