/**
 * The name of a data folder's own log.
 *
 * Room: publish.
 */

/** What the spool calls the log of its own data folder, whose address changes. */
export const ownLog = "instance";
