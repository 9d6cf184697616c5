/**
 * Places of the keys of a data folder.
 *
 * Room: machine.
 *
 * Apart from `AccessKeys`, which brings the NATS client along: a command that asks the database alone does without.
 */

/**
 * - `daemon`: runs the store: every right in the store's account
 * - `local`: commands and publishers of this user: every right but those that remove events
 * - `system`: nats-server's own account: health, reload
 */
export const keyNames = ["daemon", "local", "system"] as const;
export type KeyName = (typeof keyNames)[number];

export const folderOf = (root: string): string => `${root}/keys`;
export const fileOf = (root: string, name: KeyName): string => `${folderOf(root)}/${name}.nk`;
/** This user's own token for the HTTP door. */
export const httpTokenOf = (root: string): string => `${folderOf(root)}/http.token`;
