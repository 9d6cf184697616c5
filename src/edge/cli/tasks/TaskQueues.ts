/**
 * `recollect tasks queue list|pause|resume|drain|limit`: the tasks of an agent type as a whole.
 *
 * Room: edge.
 */
import { Effect, type Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import type { QueueSettings } from "../../../coordination/config/QueueSettings.ts";
import { Tasks } from "../../../coordination/tasks/Tasks.ts";
import { BadRequest } from "../Failure.ts";
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

const changed = (input: {
  readonly agentType: string;
  readonly change: QueueSettings;
  readonly why: Option.Option<string>;
  readonly tenant: string;
  readonly json: boolean;
}) => {
  const work = Effect.gen(function* () {
    const by = given("why", input.why);
    const settings = yield* Tasks.use((tasks) => tasks.setQueue(input.agentType, input.change, by));
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
    verb("drain", "Take no more tasks, and work on those that wait", { draining: true }),
    limit,
  ]),
);
