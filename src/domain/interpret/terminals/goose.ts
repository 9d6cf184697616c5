/**
 * Goose's session files up to 1.9: a line that describes the session, then a message a line.
 *
 * Room: domain.
 *
 * A second witness: Goose 1.10 copied its files into `sessions.db`, under the same session ids, and left them lying.
 * The first line is rewritten as the session goes on; its token counts are those of the last turn and, as
 * `accumulated_…`, of the whole session: the sums are counted, once a session.
 */
import type { Fact } from "../../Fact.ts";
import { amountAt, arrayAt, countAt, isObject, type JsonObject, objectAt, stringAt } from "../../Json.ts";
import { describe } from "../describe.ts";
import { idAt, noted, notUnderstood } from "../facts.ts";
import { gooseContent } from "./gooseMessage.ts";
import type { Carry, EntryContext, Interpretation, Interpreter } from "../Interpreter.ts";

const format = "goose";

/** The usage of a whole session: all that Goose keeps. */
export const gooseUsage = (row: JsonObject, threadId: string, model: string | undefined): ReadonlyArray<Fact> => {
  const sum = (name: string): number | undefined => countAt(row, `accumulated_${name}`) ?? countAt(row, name);
  const input = sum("input_tokens");
  const output = sum("output_tokens");
  if (input === undefined && output === undefined) return [];
  return [
    {
      _tag: "TokensUsed",
      usageKey: `${threadId} session`,
      providerMessageId: "session",
      model,
      usage: {
        input: input ?? null,
        output: output ?? null,
        cacheRead: sum("cache_read_tokens") ?? null,
        cacheWrite: sum("cache_write_tokens") ?? null,
        cacheInInput: true,
      },
      costUsd: amountAt(row, "accumulated_cost"),
    },
  ];
};

const header = (line: JsonObject, context: EntryContext, carry: Carry): Interpretation => {
  const facts: Array<Fact> = [];
  const after = describe(facts, carry, {
    client: { name: format },
    title: stringAt(line, "description"),
    cwd: stringAt(line, "working_dir"),
  });
  const usage = gooseUsage(line, context.threadId, undefined).map(
    (fact): Fact => ({ ...fact, secondHand: true }) as Fact,
  );
  return { facts: [...facts, ...usage, noted("session")], carry: after };
};

export const goose: Interpreter = {
  format,
  interpret: (entry, context, carry) => {
    if (!isObject(entry)) return { facts: [notUnderstood(format, "line that is no object")] };
    const role = stringAt(entry, "role");
    if (role === undefined)
      return "working_dir" in entry
        ? header(entry, context, carry)
        : { facts: [notUnderstood(format, "line without a role")] };
    const messageId = idAt(entry, "id") ?? context.eventId;
    const { parts, facts } = gooseContent(arrayAt(entry, "content"), messageId, context);
    const isHidden = objectAt(entry, "metadata")?.["userVisible"] === false;
    return {
      facts: [
        {
          _tag: "MessageSaid",
          messageId,
          segment: "",
          role,
          parts,
          isMeta: isHidden ? true : undefined,
          secondHand: true,
        },
        ...facts.map((fact): Fact => ({ ...fact, secondHand: true }) as Fact),
      ],
    };
  },
};
