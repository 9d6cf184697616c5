/**
 * How many statements of others run at once, whichever door they came through.
 *
 * Room: edge.
 *
 * Each may keep a core busy, and the daemon has others to answer.
 */
import { Semaphore } from "effect";

export const mostAtOnce = 2;
export const sqlAtOnce = Semaphore.makeUnsafe(mostAtOnce);
/** What the one beyond them is told. */
export const tooManyStatements = `${mostAtOnce} statements are running already.`;
