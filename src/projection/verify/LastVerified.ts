/**
 * End of the last verification without a finding: start position of the next one.
 *
 * Room: projection.
 *
 * A file beside the database. It is believed only as far as its running hash is that of the ledger at that sequence.
 */
import { Effect, Option, Schema } from "effect";
import * as fs from "node:fs";
import { Sequence } from "../../domain/History.ts";
import * as OwnFile from "../../machine/OwnFile.ts";

const LastVerified = Schema.Struct({ sequence: Sequence, chain: Schema.String, at: Schema.Finite });
export type LastVerified = typeof LastVerified.Type;

const fileOf = (path: string): string => `${path}.verified`;

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(LastVerified));

export const readSync = (path: string): LastVerified | undefined => {
  try {
    return Option.getOrUndefined(decode(OwnFile.readText(fileOf(path))));
  } catch {
    return undefined;
  }
};

export const read = (path: string): Effect.Effect<LastVerified | undefined> => Effect.sync(() => readSync(path));

/** A folder that takes no file: the next verification begins at the beginning. */
export const write = (path: string, last: LastVerified): Effect.Effect<void> =>
  Effect.ignore(Effect.try(() => fs.writeFileSync(fileOf(path), `${JSON.stringify(last)}\n`, { mode: 0o600 })));
