/**
 * The checkpoint: how far the rows reach, and what proves that the stream is still the one they were folded from.
 *
 * Room: projection.
 *
 * Without Effect, because the writing thread loads it: that thread starts in 60 ms without, in 200 ms with it.
 */
import { zeroChain } from "../log/Digest.ts";

export interface Checkpoint {
  /** The last sequence applied; 0 when nothing is. */
  readonly sequence: number;
  /** `identityOf` the entry at that sequence. */
  readonly identity: string;
  /** Time of recording in the log, epoch milliseconds. */
  readonly recordedAt: number;
  /** Creation of the stream, epoch milliseconds; 0 when nothing is applied. */
  readonly streamCreated: number;
  /** The running hash of the stream up to there (`src/log/Digest.ts`). */
  readonly chain: Uint8Array;
}

export const noCheckpoint: Checkpoint = {
  sequence: 0,
  identity: "",
  recordedAt: 0,
  streamCreated: 0,
  chain: zeroChain,
};
