/**
 * The name of a data folder's own log.
 *
 * Room: publish.
 */

/** The spool's name of the log of its own data folder, whose address changes. */
export const ownLog = "instance";
