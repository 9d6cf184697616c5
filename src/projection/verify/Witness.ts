/**
 * The witness: the head of the record (sequence and running hash) outside the data folder, in a file or in a KV bucket of
 * another server.
 *
 * Room: projection.
 *
 * A folder that is put back to yesterday as a whole is in itself without a fault. The witness has seen more than it
 * holds, and says so. While it disagrees it is not written: an operator has to decide, by removing it. What is no
 * witness is not written over either: it is another's file, or the witness was damaged.
 */
import { Effect, Option, Schema } from "effect";
import * as fs from "node:fs";
import { Sequence } from "../../domain/History.ts";
import * as BucketText from "../../log/connection/BucketTextNats.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

export const Head = Schema.Struct({
  sequence: Sequence,
  /** In hexadecimal. */
  chain: Schema.String,
  /** Epoch milliseconds. */
  at: Schema.Finite,
});
export type Head = typeof Head.Type;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Head));

/** Head in the witness; undefined before the first look; `none` for what is no witness, or no longer one, or cannot be read. */
export type Seen = Head | "none" | undefined;

export interface Witness {
  /** As the operator names it. */
  readonly name: string;
  readonly read: Effect.Effect<Seen>;
  /** Atomic and durable; false where it could not be written. */
  readonly write: (head: Head) => Effect.Effect<boolean>;
}

const seenIn = (text: string): Seen =>
  text === "" ? undefined : Option.getOrElse(decode(text), () => "none" as const);

const inFile = (file: string): Witness => ({
  name: file,
  read: OwnFile.text(file).pipe(
    Effect.map(seenIn),
    Effect.catchTag("Unreadable", (error) => Effect.succeed(OwnFile.isMissing(error) ? undefined : ("none" as const))),
  ),
  write: (head) =>
    Effect.try(() => {
      const temporary = `${file}.${process.pid}`;
      fs.writeFileSync(temporary, `${JSON.stringify(head)}\n`, { mode: 0o600, flush: true });
      fs.renameSync(temporary, file);
      return true;
    }).pipe(Effect.orElseSucceed(() => false)),
});

/** Key in the bucket: a bucket is one store's. */
const bucketKey = "head";

const inBucket = Effect.fnUntraced(function* (address: string) {
  const text = yield* BucketText.make(address, bucketKey);
  return {
    name: address.replace(/\/\/[^/]*@/, "//"),
    read: text.read.pipe(
      Effect.map((found) => seenIn(found ?? "")),
      Effect.catch(({ reason }) => Effect.as(Effect.logDebug(`witness: ${reason}`), "none" as const)),
    ),
    write: (head) =>
      text.write(JSON.stringify(head)).pipe(
        Effect.as(true),
        Effect.catch(({ reason }) => Effect.as(Effect.logDebug(`witness: ${reason}`), false)),
      ),
  } satisfies Witness as Witness;
});

/** The witness at a place: an address with a bucket (see BucketTextNats), else a file. */
export const at = (place: string) => (BucketText.isAddress(place) ? inBucket(place) : Effect.succeed(inFile(place)));

/** Disagreement, as a sentence; undefined when the witness and this folder agree. `chainAt`: of the ledger, as far as it reaches. */
export const disagreement = (options: {
  readonly seen: Head;
  readonly lastSequence: Sequence;
  readonly chainAt: string | undefined;
}): string | undefined => {
  const { chainAt, lastSequence, seen } = options;
  const when = new Date(seen.at).toISOString();
  if (lastSequence < seen.sequence)
    return `The witness has seen ${seen.sequence} events (${when}), and the stream ends at ${lastSequence}: an older copy of the folder was put back.`;
  if (chainAt !== undefined && chainAt !== seen.chain)
    return `The witness has seen other events up to sequence ${seen.sequence} (${when}) than this folder holds.`;
  return undefined;
};
