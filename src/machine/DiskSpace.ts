/**
 * Free space of a folder's disk, and the thresholds of its warnings.
 *
 * Room: machine.
 */
import { statfsSync, statSync } from "node:fs";

export interface DiskSpace {
  /** That this user may fill. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freePercent: number;
}

/** Said from here on: a person has time to make room. */
export const lowPercent = 10;
/** From here on it is urgent: a full disk freezes nats-server and with it every append. */
export const veryLowPercent = 5;

/** Undefined where the system does not say. */
export const diskSpace = (folder: string): DiskSpace | undefined => {
  try {
    const { bavail, bfree, blocks, bsize } = statfsSync(folder);
    // As `df` has it: what is kept for root counts neither as used nor as free.
    const usable = blocks - bfree + bavail;
    if (usable === 0) return undefined;
    const freePercent = Math.round((1000 * bavail) / usable) / 10;
    return { freeBytes: bavail * bsize, totalBytes: usable * bsize, freePercent };
  } catch {
    return undefined;
  }
};

/** Bytes of a file; 0 where there is none. */
export const sizeOf = (file: string): number => {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
};
