/**
 * `recollect hand-over THREAD`: a brief for another agent, taken from the record, within a number of tokens.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Command, Flag } from "effect/cli";
import type { JsonObject } from "../../../domain/Json.ts";
import { asCalled } from "../../../machine/CalledAs.ts";
import { briefText } from "../../../query/brief/BriefText.ts";
import { defaultTokens, fewestTokens, sizeOf } from "../../../query/brief/Budget.ts";
import { briefOf } from "../../../query/brief/HandOver.ts";
import { tokensIn } from "../../../query/brief/Tokens.ts";
import { json, readModels, tenant, threadArgument } from "../Flags.ts";
import * as Output from "../Output.ts";
import { namedInHint, threadNamed } from "./ThreadIds.ts";

/** Most tokens of a context. */
const mostTokens = 100_000;
/** Tokens of `truncated` and `leftOut`. */
const frameTokens = 60;

/** Keys of `--json` are in camelCase, those of a model's answer are not. */
const camel = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

export const handOver = Command.make(
  "hand-over",
  {
    thread: threadArgument,
    budget: Flag.Int("budget").pipe(
      Flag.filter(
        (tokens) => tokens >= fewestTokens && tokens <= mostTokens,
        () => `it is from ${fewestTokens} to ${mostTokens}`,
      ),
      Flag.withMetavar("TOKENS"),
      Flag.withDescription(`Most tokens it may take, ${fewestTokens} to ${mostTokens} (default: ${defaultTokens})`),
      Flag.withDefault(defaultTokens),
    ),
    tenant,
    json,
  },
  Effect.fn("cli.hand-over")(function* (input) {
    const thread = yield* threadNamed(input.thread, input.tenant);
    const how = asCalled(`To read around a place (#): recollect thread ${namedInHint(thread)} --around PLACE`);
    const asText = (brief: JsonObject) => `${briefText(brief)}\n\n${how}`;
    const tokens = input.json ? input.budget - frameTokens : input.budget;
    const size = (brief: JsonObject) => (input.json ? sizeOf(brief) : tokensIn(asText(brief)));
    const { brief, isCut, leftOut } = yield* briefOf({ thread, tokens, size });
    if (input.json) {
      const parts = Object.entries(brief).map(([name, part]) => [camel(name), part] as const);
      return yield* Output.json({ ...Object.fromEntries(parts), truncated: isCut, leftOut: leftOut.map(camel) });
    }
    yield* Output.line(asText(brief));
    if (isCut)
      yield* Output.note(
        `Cut to ${input.budget} tokens${leftOut.length === 0 ? "" : `, without ${leftOut.join(", ").replaceAll("_", " ")}`}: --budget gives it more.`,
      );
  }, readModels),
).pipe(
  Command.withDescription("Brief another agent on a thread: what was asked, answered, changed, left open, with places"),
  Command.withExamples([
    { command: "recollect hand-over THREAD > handover.md", description: "As Markdown, in at most 6,000 tokens" },
    { command: "recollect hand-over THREAD --budget 2000 --json", description: "Shorter, as JSON" },
  ]),
);
