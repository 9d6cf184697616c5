/**
 * `recollect acp -- AGENT`: an agent of the Agent Client Protocol, recorded.
 *
 * Room: edge.
 *
 * The quick way in is `wrap/Arguments.ts`; this one is reached for `--help`, and for flags in an unusual form.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { wrap } from "../wrap/WrapEffect.ts";
import { BadRequest } from "./Failure.ts";
import { where } from "./Flags.ts";

export const acp = Command.make(
  "acp",
  {
    tenant: Flag.String("tenant").pipe(Flag.withDescription("Whose threads"), Flag.optional),
    command: Argument.String("command").pipe(
      Argument.withDescription("The agent's command, after --"),
      Argument.variadic({ min: 0 }),
    ),
  },
  Effect.fn("cli.acp")(function* ({ command, tenant }) {
    const { access, data, natsUrl: url } = yield* where;
    if (command.length === 0) {
      return yield* new BadRequest({ message: "There is no agent to run.", hint: "recollect acp -- gemini --acp" });
    }
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
    "Run an agent of the Agent Client Protocol for an editor, and record its sessions; nothing of what passes changes",
  ),
  Command.withExamples([
    {
      command: "recollect acp -- gemini --acp",
      description: "In place of `gemini --acp` in the editor's settings",
    },
  ]),
);
