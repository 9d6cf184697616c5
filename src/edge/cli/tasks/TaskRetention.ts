/**
 * `recollect tasks retention`: the rule by which ended tasks leave the recent ones, previewed and set.
 *
 * Room: edge.
 *
 * Nothing is deleted: what leaves is archived. The rule is a value of the configuration, so its change is an event.
 */
import { Clock, Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { Configuration } from "../../../coordination/config/Configuration.ts";
import { Query } from "../../../query/Query.ts";
import { withConfiguration } from "../coordination/Config.ts";
import { given, json, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";

const day = 86_400_000;

export const retention = Command.make(
  "retention",
  {
    keep: Flag.Finite("keep").pipe(
      Flag.withMetavar("DAYS"),
      Flag.withDescription(
        "Recent for so many days after its end; shows what would leave, and does nothing without --yes",
      ),
      Flag.optional,
    ),
    yes: Flag.Boolean("yes").pipe(Flag.withDefault(false), Flag.withDescription("Make it the rule")),
    why: Flag.String("why").pipe(Flag.withDescription("Why, for the history of the configuration"), Flag.optional),
    tenant,
    json,
  },
  Effect.fn("cli.tasks.retention")(function* (input) {
    const work = Effect.gen(function* () {
      const config = yield* Configuration;
      const query = yield* Query;
      const now = yield* Clock.currentTimeMillis;
      const counted = (millis: number) => query.taskCounts({ tenant: input.tenant, recentSince: now - millis });
      const rule = yield* config.get("tasks.retentionMillis");
      const { archived, open, recent } = yield* counted(rule);
      const stands = { days: rule / day, open, recent, archived };
      if (Option.isNone(input.keep)) {
        if (input.json) return yield* Output.json(stands);
        return yield* Output.line(
          `${stands.days} days: ${recent} recent, ${archived} archived, ${open} open (--keep DAYS previews another rule)`,
        );
      }
      const wanted = Math.round(input.keep.value * day);
      const then = yield* counted(wanted);
      if (input.yes) yield* config.set({ "tasks.retentionMillis": wanted }, given("why", input.why));
      const change = { newDays: wanted / day, leave: then.archived - archived, isChanged: input.yes };
      if (input.json) return yield* Output.json({ ...stands, ...change });
      const what = change.leave < 0 ? `${-change.leave} come back to` : `${change.leave} leave`;
      yield* Output.line(`${stands.days} → ${change.newDays} days: ${what} the recent ones, ${then.recent} stay`);
      if (!input.yes) yield* Output.note("Nothing is changed: say --yes.");
    });
    return yield* store(withConfiguration(input.tenant, work));
  }),
).pipe(
  Command.withDescription("Show how long ended tasks are recent, preview another rule, set it; nothing is deleted"),
  Command.withExamples([
    { command: "recollect tasks retention", description: "The rule, and how many tasks it concerns" },
    { command: "recollect tasks retention --keep 3", description: "How many would leave the recent ones" },
    { command: 'recollect tasks retention --keep 3 --yes --why "lists are long"', description: "Make it the rule" },
  ]),
);
