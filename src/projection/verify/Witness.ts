/**
 * The witness: the head of the record (sequence and running hash) in a file outside the data folder.
 *
 * Room: projection.
 *
 * A folder that is put back to yesterday as a whole is in itself without a fault. The witness has seen more than it
 * holds, and says so. While it disagrees it is not written: an operator has to decide, by removing the file. A file that is no
 * witness is not written over either: it is another's file, or the witness was damaged.
 */
import { Effect, Option, Schema } from "effect";
import * as fs from "node:fs";
import { Sequence } from "../../domain/History.ts";
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

/** Head in the witness file; undefined before the first look; `none` for a file that is no witness, or no longer one. */
export const read = (file: string): Effect.Effect<Head | "none" | undefined> =>
  OwnFile.text(file).pipe(
    Effect.map((text) => (text === "" ? undefined : Option.getOrElse(decode(text), () => "none" as const))),
    Effect.catchTag("Unreadable", (error) => Effect.succeed(OwnFile.isMissing(error) ? undefined : ("none" as const))),
  );

/** Atomic and durable. */
export const write = (file: string, head: Head): Effect.Effect<boolean> =>
  Effect.try(() => {
    const temporary = `${file}.${process.pid}`;
    fs.writeFileSync(temporary, `${JSON.stringify(head)}\n`, { mode: 0o600, flush: true });
    fs.renameSync(temporary, file);
    return true;
  }).pipe(Effect.orElseSucceed(() => false));

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
