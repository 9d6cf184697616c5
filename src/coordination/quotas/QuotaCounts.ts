/**
 * Counts of one tenant against its quota: pure, with the time given.
 *
 * Room: coordination.
 *
 * Promise: what is refused is not counted; each of the three quotas refuses by its own name, and says when it is worth
 * asking again.
 */
import { grouped } from "../../domain/Grouped.ts";
import type { Admission, Written } from "../../log/access/Admission.ts";
import type { Quota } from "../config/Quota.ts";

const minuteMillis = 60_000;
const dayMillis = 86_400_000;

export const dayOf = (now: number): number => now - (now % dayMillis);

/** Use of a tenant by what the read models say: since the beginning of a day, and ids of its threads. */
export interface Used {
  readonly day: number;
  readonly bytes: number;
  readonly threads: Iterable<string>;
}

export class QuotaCounts {
  readonly #tenant: string;
  #quota: Quota;
  #day: number;
  #bytes: number;
  readonly #threads: Set<string>;
  /** Events that may be written at once; undefined before the first. */
  #tokens: number | undefined;
  #tokensAt = 0;

  constructor(tenant: string, quota: Quota, used: Used) {
    this.#tenant = tenant;
    this.#quota = quota;
    this.#day = used.day;
    this.#bytes = used.bytes;
    this.#threads = new Set(used.threads);
  }

  /** Another quota, for the same counts. */
  set quota(quota: Quota) {
    this.#quota = quota;
  }

  /** Counts what is written; a refusal counts nothing. `elapsed`: milliseconds of a monotonic clock, for the rate. */
  take({ bytes, events, thread }: Written, now: number, elapsed: number): Admission {
    const { bytesPerDay, eventsPerMinute, threads } = this.#quota;
    if (dayOf(now) !== this.#day) {
      this.#day = dayOf(now);
      this.#bytes = 0;
    }
    if (bytesPerDay != null && this.#bytes + bytes > bytesPerDay) {
      const used = `${grouped(this.#bytes)} of ${grouped(bytesPerDay)} bytes of today (UTC) are used, and this is ${grouped(bytes)} more`;
      return this.#refused("bytesPerDay", used, this.#day + dayMillis - now);
    }
    const isNew = thread !== undefined && !this.#threads.has(thread);
    if (threads != null && isNew && this.#threads.size >= threads)
      return this.#refused("threads", `it has ${grouped(this.#threads.size)} of ${grouped(threads)} threads`);
    if (eventsPerMinute != null) {
      const tokens = this.#tokensOf(eventsPerMinute, elapsed);
      // One write that is larger than the quota goes when nothing else was written.
      const needed = Math.min(events, eventsPerMinute);
      if (tokens < needed) {
        const wait = Math.ceil(((needed - tokens) / eventsPerMinute) * minuteMillis);
        return this.#refused("eventsPerMinute", `${grouped(eventsPerMinute)} events a minute are used`, wait);
      }
      this.#tokens = tokens - needed;
      this.#tokensAt = elapsed;
    }
    this.#bytes += bytes;
    if (isNew && threads != null) this.#threads.add(thread);
    return undefined;
  }

  #tokensOf(perMinute: number, elapsed: number): number {
    if (this.#tokens === undefined) return perMinute;
    return Math.min(perMinute, this.#tokens + ((elapsed - this.#tokensAt) / minuteMillis) * perMinute);
  }

  #refused(name: keyof Quota, used: string, retryAfterMillis?: number): Admission {
    const quota = `quotas.${this.#tenant}`;
    const again =
      retryAfterMillis === undefined ? "" : ` Again in ${Math.max(1, Math.ceil(retryAfterMillis / 1000))} s.`;
    return {
      quota: `${quota}.${name}`,
      reason: `The quota ${name} of the tenant ${this.#tenant} is used up: ${used}.${again}`,
      hint: `An operator of the store changes it: recollect config set '${quota}' '{"${name}": …}'`,
      ...(retryAfterMillis === undefined ? {} : { retryAfterMillis }),
    };
  }
}
