/**
 * Quotas of tenants, as the configuration of the store has them: bytes a day, events a minute, threads.
 *
 * Room: coordination.
 *
 * Promises: a write beyond a quota is refused by the quota's name and stores nothing; other tenants are not concerned; a
 * quota that is changed holds from then on; after a restart the day's bytes and the threads are those of the read models.
 *
 * Counted in the daemon that takes the write, so with several on one server each counts its own.
 */
import { Clock, Context, Effect, Layer, Option, Schema, Stream } from "effect";
import { defaultTenant } from "../../domain/History.ts";
import type { Admit } from "../../log/access/Admission.ts";
import { elapsedUnsafe } from "../../log/connection/Elapsed.ts";
import { Query } from "../../query/Query.ts";
import { Configuration } from "../config/Configuration.ts";
import { mostThreads, Quota } from "../config/Quota.ts";
import { dayOf, QuotaCounts, type Used } from "./QuotaCounts.ts";

export class TenantQuotas extends Context.Service<
  TenantQuotas,
  {
    /** Takes from the quotas of a tenant, or says which refuses. */
    readonly admit: Admit;
  }
>()("recollect/coordination/TenantQuotas") {}

const bytesSql = `SELECT coalesce(sum(data_bytes), 0) AS bytes FROM v_event_activity WHERE tenant = ? AND quarter_at >= ?`;
const threadsSql = `SELECT thread_id FROM v_threads WHERE tenant = ? LIMIT ${mostThreads}`;

/** Use of a tenant by the read models; none where they cannot be asked. */
const usedBy = Effect.fnUntraced(function* (tenant: string, now: number) {
  const query = yield* Query;
  const day = dayOf(now);
  const asked = Effect.gen(function* () {
    const bytes = yield* query.select(bytesSql, [tenant, day]);
    const threads = yield* query.select(threadsSql, [tenant]);
    const ids = threads.rows.map(([id]) => String(id));
    return { day, bytes: Number(bytes.rows[0]?.[0] ?? 0), threads: ids } satisfies Used as Used;
  });
  const nothing: Used = { day, bytes: 0, threads: [] };
  return yield* asked.pipe(
    Effect.catch(({ message }) =>
      Effect.as(Effect.logWarning(`the quota of ${tenant} begins from nothing: ${message}`), nothing),
    ),
  );
});

/** Limit and use of one quota. */
interface Bound {
  readonly limit: number;
  readonly used: number;
}

/** Use of a tenant's quota, by the read models; of the rate there is none to show. */
export interface TenantUse {
  readonly tenant: string;
  readonly bytesPerDay: Bound | null;
  readonly threads: Bound | null;
  readonly eventsPerMinute: { readonly limit: number } | null;
}

const setSql = `SELECT substr(field, 8), value FROM v_config_changes c
  WHERE field GLOB 'quotas.*' AND tenant = '${defaultTenant}' AND scope = 'default' AND sequence =
    (SELECT max(sequence) FROM v_config_changes o WHERE o.field = c.field AND o.tenant = c.tenant AND o.scope = c.scope)
  ORDER BY field LIMIT 1000`;

const decodeQuota = Schema.decodeUnknownOption(Schema.fromJsonString(Quota));

const boundOf = (limit: number | null | undefined, used: number): Bound | null =>
  limit == null ? null : { limit, used };

/** Quotas that were set at run time, and what is used of them. */
export const uses = Effect.gen(function* () {
  const { rows } = yield* (yield* Query).select(setSql);
  const now = yield* Clock.currentTimeMillis;
  const all: Array<TenantUse> = [];
  for (const [tenant, text] of rows) {
    const quota = decodeQuota(text);
    if (typeof tenant !== "string" || Option.isNone(quota)) continue;
    const { bytesPerDay, eventsPerMinute, threads } = quota.value;
    const used = yield* usedBy(tenant, now);
    all.push({
      tenant,
      bytesPerDay: boundOf(bytesPerDay, used.bytes),
      threads: boundOf(threads, [...used.threads].length),
      eventsPerMinute: eventsPerMinute == null ? null : { limit: eventsPerMinute },
    });
  }
  return all;
});

/** The largest used share of any bound, in percent; null where there is none. */
export const mostUsed = (all: ReadonlyArray<TenantUse>): number | null => {
  const shares = all
    .flatMap(({ bytesPerDay, threads }) => [bytesPerDay, threads])
    .flatMap((bound) => (bound === null ? [] : [(100 * bound.used) / bound.limit]));
  return shares.length === 0 ? null : Math.max(...shares);
};

const make = Effect.gen(function* () {
  const config = yield* Configuration;
  const clock = yield* Clock.Clock;
  const counts = new Map<string, QuotaCounts>();
  const obey = Effect.fnUntraced(function* (quotas: ReadonlyMap<string, Quota>) {
    for (const tenant of counts.keys()) if (!quotas.has(tenant)) counts.delete(tenant);
    for (const [tenant, quota] of quotas) {
      const known = counts.get(tenant);
      if (known === undefined)
        counts.set(tenant, new QuotaCounts(tenant, quota, yield* usedBy(tenant, yield* Clock.currentTimeMillis)));
      else known.quota = quota;
    }
  });
  yield* obey(yield* config.family("quotas"));
  yield* Effect.forkScoped(Stream.runForEach(config.watchFamily("quotas"), obey));
  return TenantQuotas.of({
    admit: (tenant, written) =>
      counts.get(tenant)?.take(written, clock.currentTimeMillisUnsafe(), elapsedUnsafe(clock)),
  });
});

export const layer = Layer.effect(TenantQuotas, make);
