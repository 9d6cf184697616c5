/**
 * The daemon submits what is scheduled, for every tenant that has schedules.
 *
 * Room: main.
 */
import { Effect, Layer, Schedule } from "effect";
import * as ConfigFile from "../coordination/config/ConfigFile.ts";
import { Configuration } from "../coordination/config/Configuration.ts";
import { keepScheduled } from "../coordination/tasks/TaskScheduler.ts";
import { defaultTenant } from "../domain/History.ts";
import { Query } from "../query/Query.ts";
import { tasksOf } from "./TaskFilling.ts";

/** Poll interval for the first schedule of a tenant; later ones are seen at once. */
const tenantsMillis = 5_000;

/** Pause after a failure: of the configuration file, which a person mends, or of a server that was away at the start. */
const againMillis = 30_000;

const source = "recollect schedules";

/** The daemon's own configuration for its tenant, one of its own for another. The data folder's file is that of every tenant. */
const settingsOf = (folder: string, tenant: string) =>
  Layer.unwrap(
    Effect.map(Configuration, (given) =>
      given.tenant === tenant ? Layer.succeed(Configuration, given) : ConfigFile.layer({ folder, tenant, who: source }),
    ),
  );

/** Schedules of one tenant, for ever. */
const scheduling = (folder: string, tenant: string) =>
  keepScheduled.pipe(
    Effect.provide(tasksOf({ tenant, source }).pipe(Layer.provideMerge(settingsOf(folder, tenant)))),
    Effect.catchCause((cause) => Effect.logError(`nothing is scheduled for ${tenant} for a moment`, cause)),
    Effect.andThen(Effect.sleep(againMillis)),
    Effect.forever,
  );

export const layer = (folder: string) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const query = yield* Query;
      const seen = new Set<string>();
      const look = Effect.gen(function* () {
        for (const tenant of [defaultTenant, ...(yield* query.scheduledTenants)]) {
          if (seen.has(tenant)) continue;
          seen.add(tenant);
          yield* Effect.forkScoped(scheduling(folder, tenant));
        }
      }).pipe(Effect.catch((error) => Effect.logDebug(`the tenants are not known now: ${error.message}`)));
      yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(tenantsMillis)));
    }),
  );
