/**
 * `recollect tasks queue list|pause|resume|drain|limit`: the tasks of an agent type as a whole.
 *
 * Room: edge.
 */
import { Effect, type Option, Schedule } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import type { QueueSettings } from "../../../coordination/config/QueueSettings.ts";
import { Tasks } from "../../../coordination/tasks/Tasks.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { Query } from "../../../query/Query.ts";
import { BadRequest, NotWell } from "../Failure.ts";
import { given, json, store, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { withTasks } from "./TaskStore.ts";

const agentType = Argument.String("agent-type").pipe(Argument.withDescription("Whose tasks"));
const why = Flag.String("why").pipe(Flag.withDescription("Why, for the history of the configuration"), Flag.optional);

/** Settings in words. */
const inWords = ({ draining, paused, rate }: QueueSettings): string =>
  [
    ...(paused === true ? ["paused"] : []),
    ...(draining === true ? ["draining"] : []),
    ...(rate == null ? [] : [`${rate.limit} in ${Output.duration(rate.windowMillis)}`]),
  ].join(", ") || "open";

/** A week: what takes longer is looked at by a person. */
const mostWaitSeconds = 604_800;
/** Poll interval of `drain --wait`. */
const lookMillis = 500;

/** Returns when no task of the type is open, as the read models say that have all the log had at the call. */
const emptied = Effect.fnUntraced(function* (type: string, tenantId: string, withinSeconds: number) {
  const { now } = yield* Tasks;
  const query = yield* Query;
  const { lastSequence } = yield* (yield* EventLog).info;
  let told = "";
  const look = Effect.gen(function* () {
    const isCurrent = (yield* query.checkpoint) >= lastSequence;
    const all = yield* query.waiting.numbers(yield* now);
    const of = all.find((one) => one.tenant === tenantId && one.agentType === type);
    const { delayed = 0, held = 0, waiting = 0 } = of ?? {};
    const said = `${waiting} wait, ${delayed} are due later, ${held} are held`;
    if (said !== told) yield* Output.note(`${type}: ${said}.`);
    told = said;
    return isCurrent && delayed + held + waiting === 0;
  });
  const done = Effect.repeat(look, { until: (isEmpty) => isEmpty, schedule: Schedule.spaced(lookMillis) });
  const late = Effect.suspend(() => {
    const message = `${type} is not empty after ${withinSeconds} s: ${told || "the read models are not current"}.`;
    return Effect.andThen(Output.note(message), new NotWell({ message }));
  });
  yield* Effect.timeoutOrElse(done, { duration: withinSeconds * 1_000, orElse: () => late });
});

const changed = (input: {
  readonly agentType: string;
  readonly change: QueueSettings;
  readonly why: Option.Option<string>;
  readonly tenant: string;
  readonly json: boolean;
  readonly waitSeconds?: number | undefined;
}) => {
  const work = Effect.gen(function* () {
    const by = given("why", input.why);
    const settings = yield* Tasks.use((tasks) => tasks.setQueue(input.agentType, input.change, by));
    if (input.waitSeconds !== undefined) yield* emptied(input.agentType, input.tenant, input.waitSeconds);
    const shown = { agentType: input.agentType, ...settings };
    yield* input.json ? Output.json(shown) : Output.line(`${input.agentType}  ${inWords(settings)}`);
  });
  return store(withTasks(work, input.tenant));
};

const verb = (name: string, description: string, change: QueueSettings) =>
  Command.make(name, { agentType, why, tenant, json }, (input) => changed({ ...input, change })).pipe(
    Command.withDescription(description),
    Command.withExamples([{ command: `recollect tasks queue ${name} reviewer`, description }]),
  );

const drain = Command.make(
  "drain",
  {
    agentType,
    wait: Flag.Boolean("wait").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Return when none of its tasks is open; says on stderr how many are"),
    ),
    within: Flag.Finite("within").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("With --wait: at most so long (default: 600), then exit 6"),
      Flag.withDefault(600),
    ),
    why,
    tenant,
    json,
  },
  Effect.fn("cli.tasks.queue.drain")(function* (input) {
    if (!(input.within > 0 && input.within <= mostWaitSeconds)) {
      return yield* new BadRequest({ message: `--within is more than 0 seconds, and at most ${mostWaitSeconds}.` });
    }
    const waitSeconds = input.wait ? input.within : undefined;
    return yield* changed({ ...input, change: { draining: true }, waitSeconds });
  }),
).pipe(
  Command.withDescription("Take no more tasks, and work on those that wait"),
  Command.withExamples([
    { command: "recollect tasks queue drain reviewer", description: "Take no more tasks, and work on those that wait" },
    {
      command: "recollect tasks queue drain reviewer --wait --within 3600",
      description: "And return when none is open",
    },
  ]),
);

const limit = Command.make(
  "limit",
  {
    agentType,
    most: Argument.Int("count").pipe(Argument.withDescription("Most starts in a window; 0 takes the limit away")),
    per: Flag.Finite("per").pipe(
      Flag.withMetavar("SECONDS"),
      Flag.withDescription("Window (default: 1)"),
      Flag.withDefault(1),
    ),
    why,
    tenant,
    json,
  },
  Effect.fn("cli.tasks.queue.limit")(function* (input) {
    if (input.most < 0) return yield* new BadRequest({ message: "A queue begins 0 tasks or more." });
    const rate = input.most === 0 ? null : { limit: input.most, windowMillis: Math.round(input.per * 1_000) };
    return yield* changed({ ...input, change: { rate } });
  }),
).pipe(
  Command.withDescription("Let no more tasks begin in any window of time, over all workers"),
  Command.withExamples([
    { command: "recollect tasks queue limit reviewer 10 --per 60", description: "Ten in any minute" },
    { command: "recollect tasks queue limit reviewer 0", description: "No limit any more" },
  ]),
);

const list = Command.make(
  "list",
  { tenant, json },
  Effect.fn("cli.tasks.queue.list")(function* (input) {
    const work = Effect.gen(function* () {
      const queues = [...(yield* Tasks.use((tasks) => tasks.queues))].map(([name, settings]) => ({
        agentType: name,
        ...settings,
      }));
      if (input.json) return yield* Output.json({ queues });
      if (queues.length === 0) return yield* Output.note("No queue is paused, drained or limited.");
      const rows = queues.map((one) => [one.agentType, inWords(one)]);
      for (const text of Output.table(["agent type", "set"], rows)) yield* Output.line(text);
    });
    return yield* store(withTasks(work, input.tenant));
  }),
).pipe(
  Command.withDescription("List queues that are paused, drained or limited in their rate"),
  Command.withExamples([{ command: "recollect tasks queue list", description: "All others are open" }]),
);

export const queue = Command.make("queue").pipe(
  Command.withDescription("The tasks of an agent type as a whole: pause, resume, drain, limit"),
  Command.withSubcommands([
    list,
    verb("pause", "Let no more tasks be claimed; what runs goes on", { paused: true }),
    verb("resume", "Claim tasks and take them again", { paused: null, draining: null }),
    drain,
    limit,
  ]),
);
