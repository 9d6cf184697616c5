/**
 * Shares of the bucket of snapshots: a tenant that has used its own evicts no other tenant's.
 *
 * Room: snapshot.
 *
 * A full bucket drops its oldest snapshot, of any tenant. So while it is nearly full, a tenant that has written
 * more than its even share writes no further key; its threads are folded by who reads them. Counted by each process of what
 * it writes, from nothing at its start.
 */

/** Share of the bucket up to which no share is asked for. */
const nearlyFull = 0.8;
/** Keys whose sizes are remembered, over all tenants: some 200 bytes each. The oldest is forgotten first. */
const mostKeys = 100_000;

export interface Room {
  readonly bytes: number;
  readonly maxBytes: number;
}

const tenantOf = (key: string): string => key.slice(0, Math.max(0, key.indexOf(".")));

export class SnapshotShares {
  readonly #sizes = new Map<string, number>();
  readonly #tenants = new Map<string, number>();

  /** True when the key may be written: it is there already, there is room, or its tenant is within its share. */
  may(key: string, bytes: number, { bytes: stored, maxBytes }: Room): boolean {
    if (maxBytes <= 0 || stored + bytes <= nearlyFull * maxBytes || this.#sizes.has(key)) return true;
    const tenant = tenantOf(key);
    const tenants = this.#tenants.size + (this.#tenants.has(tenant) ? 0 : 1);
    return tenants < 2 || (this.#tenants.get(tenant) ?? 0) + bytes <= (nearlyFull * maxBytes) / tenants;
  }

  wrote(key: string, bytes: number): void {
    this.#add(key, -this.#forget(key));
    this.#sizes.set(key, bytes);
    this.#add(key, bytes);
    for (const oldest of this.#sizes.keys()) {
      if (this.#sizes.size <= mostKeys) break;
      this.#add(oldest, -this.#forget(oldest));
    }
  }

  #forget(key: string): number {
    const bytes = this.#sizes.get(key) ?? 0;
    this.#sizes.delete(key);
    return bytes;
  }

  #add(key: string, bytes: number): void {
    const tenant = tenantOf(key);
    const left = (this.#tenants.get(tenant) ?? 0) + bytes;
    if (left > 0) this.#tenants.set(tenant, left);
    else this.#tenants.delete(tenant);
  }
}
