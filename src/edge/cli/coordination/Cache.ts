/**
 * `recollect cache`: what the caches hold and spare, and making every process forget.
 *
 * Room: edge.
 */
import { Effect, Layer, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { hitRateOf } from "../../../coordination/cache/CacheMetrics.ts";
import * as CacheWireNats from "../../../coordination/cache/CacheSharingNats.ts";
import { FileCache, layer as layerFiles } from "../../../coordination/cache/FileCache.ts";
import { layerCare, ResponseCache } from "../../../coordination/cache/ResponseCache.ts";
import { withConfiguration } from "./Config.ts";
import { BadRequest } from "../Failure.ts";
import { json, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";

/** A process that only asks has read nothing: it is not shown among those that have. */
const caches = Layer.merge(layerFiles({ machine: "recollect cache" }), layerCare).pipe(
  Layer.provide(CacheWireNats.layer),
);

const stats = Command.make(
  "stats",
  { tenant, json },
  Effect.fn("cli.cache.stats")(function* (input) {
    const handler = Effect.gen(function* () {
      const files = yield* FileCache;
      const responses = yield* ResponseCache;
      const usage = { files: yield* files.usage, responses: yield* responses.usage };
      const all = [...(yield* files.reports), ...(yield* responses.reports)];
      const reports = all.filter((report) => hitRateOf(report) !== undefined);
      if (input.json) {
        return yield* Output.json({
          shared: { files: usage.files ?? null, responses: usage.responses ?? null },
          processes: reports.map((report) => ({ ...report, hitRate: hitRateOf(report) })),
        });
      }
      for (const [name, found] of Object.entries(usage)) {
        const what =
          found === undefined ? "unknown" : `${Output.count(found.values)} values, ${Output.bytes(found.bytes)}`;
        yield* Output.line(`${name}: ${what} shared`);
      }
      if (reports.length === 0) return yield* Output.note("No process uses a cache now.");
      const rows = reports.map((report) => [
        report.process,
        report.cache,
        Output.count(report.counts["reads"] ?? report.counts["requests"] ?? 0),
        `${((hitRateOf(report) ?? 0) * 100).toFixed(1)} %`,
        Output.bytes(report.counts["bytes"] ?? 0),
      ]);
      for (const text of Output.table(["process", "cache", "asked", "hits", "held"], rows)) yield* Output.line(text);
    });
    yield* store(withConfiguration(input.tenant, Effect.provide(handler, caches)));
  }),
).pipe(
  Command.withDescription("What is shared, and how much each process has spared"),
  Command.withExamples([
    { command: "recollect cache stats", description: "What is kept, and how often it was of use" },
  ]),
);

const named = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description), Flag.optional);

const forget = Command.make(
  "forget",
  {
    path: named("path", "PATH", "What was read of this file"),
    folder: named("folder", "PATH", "What was read below this folder"),
    tool: named("tool", "NAME", "What this tool has answered"),
    model: named("model", "NAME", "What this model has answered"),
    all: Flag.Boolean("all").pipe(Flag.withDefault(false), Flag.withDescription("All files and all answers")),
    tenant,
    json,
  },
  Effect.fn("cli.cache.forget")(function* (input) {
    const { all, folder, model, path, tool } = input;
    const wishes = [path, folder, tool, model].filter(Option.isSome).length + (all ? 1 : 0);
    if (wishes !== 1) {
      return yield* new BadRequest({
        message: wishes === 0 ? "Forget what?" : "One thing at a time.",
        hint: "recollect cache forget --path FILE, --folder FOLDER, --tool NAME, --model NAME or --all",
      });
    }
    const handler = Effect.gen(function* () {
      const files = yield* FileCache;
      const responses = yield* ResponseCache;
      const told: Array<boolean> = [];
      if (Option.isSome(path)) told.push(yield* files.forget({ path: path.value }));
      if (Option.isSome(folder)) told.push(yield* files.forget({ folder: folder.value }));
      if (Option.isSome(tool)) told.push(yield* responses.forget({ kind: "tool", name: tool.value }));
      if (Option.isSome(model)) told.push(yield* responses.forget({ kind: "model", name: model.value }));
      if (all) told.push(yield* files.forget("all"), yield* responses.forget("all"));
      const isTold = told.every((one) => one);
      if (input.json) return yield* Output.json({ told: isTold });
      yield* Output.line(
        isTold ? "Every process has been told." : "NATS is away or slow: nobody could be told. Try again.",
      );
    });
    yield* store(withConfiguration(input.tenant, Effect.provide(handler, caches)));
  }),
).pipe(
  Command.withDescription("Invalidate: every process forgets what it has of this"),
  Command.withExamples([
    { command: "recollect cache forget --folder src", description: "After a change that no file's time tells" },
    { command: "recollect cache forget --tool search", description: "The tool answers otherwise now" },
  ]),
);

export const cache = Command.make("cache").pipe(
  Command.withDescription("Contents of files and answers that processes share"),
  Command.withSubcommands([stats, forget]),
);
