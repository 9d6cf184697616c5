/**
 * `recollect acp -- AGENT`: an agent of the Agent Client Protocol, recorded; without AGENT the record itself as one.
 *
 * Room: edge.
 *
 * The quick way in of a recorded agent is `wrap/Arguments.ts`; this one is reached for `--help`, and for flags in an unusual form.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { defaultTenant } from "../../domain/History.ts";
import { wrap } from "../wrap/WrapEffect.ts";
import { readModels, where } from "./Flags.ts";

export const acp = Command.make(
  "acp",
  {
    tenant: Flag.String("tenant").pipe(Flag.withDescription("Whose threads"), Flag.optional),
    command: Argument.String("command").pipe(
      Argument.withDescription(
        "The agent's command, after --; none: the record answers, and an editor loads sessions from it",
      ),
      Argument.variadic({ min: 0 }),
    ),
  },
  Effect.fn("cli.acp")(function* ({ command, tenant }) {
    if (command.length === 0) {
      const { serve } = yield* Effect.promise(() => import("../acp/Agent.ts"));
      return yield* serve({ tenant: Option.getOrElse(tenant, () => defaultTenant), asking: readModels });
    }
    const { access, data, natsUrl: url } = yield* where;
    const given = <A>(name: string, value: A | undefined) => (value === undefined ? {} : { [name]: value });
    const code = yield* wrap({
      command,
      protocol: "acp",
      ...given("tenant", Option.getOrUndefined(tenant)),
      ...given("url", url),
      ...given("data", data),
      ...given("access", access),
    });
    yield* Effect.sync(() => {
      process.exitCode = code;
    });
  }),
).pipe(
  Command.withDescription(
    "Run an agent of the Agent Client Protocol for an editor, and record its sessions; or let the editor load recorded ones",
  ),
  Command.withExamples([
    { command: "recollect acp", description: "As one more agent of the editor: lists and loads recorded sessions" },
    {
      command: "recollect acp -- gemini --acp",
      description: "In place of `gemini --acp` in the editor's settings",
    },
  ]),
);
