/**
 * `recollect limits`: which limits there are, and how much of each is used now.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { Command } from "effect/cli";
import * as BucketKv from "../../../coordination/bucket/BucketKv.ts";
import { Configuration } from "../../../coordination/config/Configuration.ts";
import * as Limits from "../../../coordination/limits/Limits.ts";
import { withConfiguration } from "./Config.ts";
import { json, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";

const overBucket = Limits.layer.pipe(Layer.provide(BucketKv.layer));

const handler = Effect.fnUntraced(function* (asJson: boolean) {
  const limits = [...(yield* (yield* Configuration).family("limits"))].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const uses = yield* (yield* Limits.Limits).uses;
  if (asJson) {
    return yield* Output.json({
      limits: limits.map(([name, { algorithm, limit, only, per, whenAway, windowMillis }]) => ({
        name,
        per,
        only: only ?? null,
        limit,
        windowMillis,
        algorithm: algorithm ?? "sliding-window",
        whenAway: whenAway ?? "open",
        uses: uses.filter((use) => use.limit === name).map(({ of, used }) => ({ of, used })),
      })),
    });
  }
  if (limits.length === 0) return yield* Output.note("No limits. Make one: recollect config set limits.NAME VALUE");
  const rows = limits.flatMap(([name, limit]) => {
    const what = [
      name,
      `${Output.count(limit.limit)} in ${Output.duration(limit.windowMillis)}`,
      limit.per.join(", ") || "all together",
      limit.only == null ? "" : JSON.stringify(limit.only),
    ];
    const used = uses.filter((use) => use.limit === name);
    return used.length === 0
      ? [[...what, "", "0"]]
      : used.map((use) => [...what, Output.clip(use.of.join(", "), 60), Output.count(use.used)]);
  });
  for (const text of Output.table(["limit", "gives", "for each", "only", "who", "used"], rows)) {
    yield* Output.line(text);
  }
});

export const limits = Command.make(
  "limits",
  { tenant, json },
  Effect.fn("cli.limits")(function* (input) {
    yield* store(withConfiguration(input.tenant, Effect.provide(handler(input.json), overBucket)));
  }),
).pipe(
  Command.withDescription("Which limits there are and how much of each is used now"),
  Command.withExamples([
    {
      command: `recollect config set limits.search '{"per":["user"],"only":{"tool":"search"},"limit":10,"windowMillis":60000}'`,
      description: "Make one",
    },
  ]),
);
