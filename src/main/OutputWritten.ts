/**
 * The end of a process's output.
 *
 * Room: main.
 */

/**
 * Calls `then` when all that was written to standard output and standard error has left the process, or cannot any more.
 * `process.exit` before that forgets what a slow reader has not taken yet. A write's callback comes behind all writes before
 * it; "drain" never comes where less waits than a stream holds back for, and the process would end with code 0 in place of
 * its own. The event of a failed write comes behind its callback: it is waited for, too.
 */
export const whenOutputIsWritten = (then: () => void): void => {
  process.stdout.write("", () => process.stderr.write("", () => setImmediate(then)));
};
