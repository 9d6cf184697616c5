/**
 * The limit of concurrent statements of others, over all doors.
 *
 * Room: edge.
 *
 * Each may keep a core busy, and the daemon has others to answer.
 */
import { Semaphore } from "effect";

export const mostAtOnce = 2;
export const sqlAtOnce = Semaphore.makeUnsafe(mostAtOnce);
/** Refusal of a statement beyond the limit. */
export const tooManyStatements = `${mostAtOnce} statements are running already.`;
