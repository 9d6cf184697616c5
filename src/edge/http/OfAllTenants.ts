/**
 * Events that are of all tenants, whichever tenant's history holds them: operators alone may see them.
 *
 * Room: edge.
 */

/** True for a change of the configuration that sets the quota of a tenant. */
export const isOfAllTenants = (kind: string | null, data: string): boolean =>
  kind === "config" && data.includes('"quotas.');
