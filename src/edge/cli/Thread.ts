/**
 * `recollect thread ID`: one conversation, readable; with `--at`, as it was then.
 *
 * Room: edge. In: query. Out: Cli.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { maxPage, type MessageRow, Query } from "../../query/Query.ts";
import { BadRequest, NotFound } from "./Failure.ts";
import { json, readModels, tenant, threadArgument } from "./Flags.ts";
import * as Output from "./Output.ts";
import { momentOf } from "./Threads.ts";

const indent = (text: string): string =>
  text
    .split("\n")
    .map((line) => `  ${line}`)
    .join("\n");

/** A part that is not text: what it is, what it refers to, how large. */
const partLine = (part: MessageRow["parts"][number]): string => {
  const size = part.bytes > 0 ? ` (${Output.bytes(part.bytes)})` : "";
  const refers = part.refersTo === null ? "" : ` ${part.refersTo}`;
  return `[${part.type}${refers}${size}]`;
};

const messageText = (message: MessageRow): string => {
  const who =
    message.author === null || message.author === message.role ? message.role : `${message.role} (${message.author})`;
  const model = message.model === null ? "" : `  ${message.model}`;
  const lines = [`${Output.moment(message.occurredAt)}  ${who}${model}`];
  for (const part of message.parts) {
    if (part.type !== "text") lines.push(indent(partLine(part)));
    if (part.text !== null && part.text !== "") lines.push(indent(part.text));
  }
  return lines.join("\n");
};

/** `--at`: a sequence (a whole number) or a time. */
const readAt = Effect.fnUntraced(function* (at: Option.Option<string>) {
  if (Option.isNone(at)) return {};
  if (/^\d+$/.test(at.value)) return { upToSequence: Number(at.value) };
  const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis);
  const upToTime = momentOf(at.value, now);
  if (upToTime !== undefined) return { upToTime };
  return yield* new BadRequest({
    message: `--at ${at.value} is neither a sequence nor a time.`,
    hint: "Write 1234 or 2026-11-01T10:00Z.",
  });
});

const allMessages = Effect.fnUntraced(function* (filter: { readonly threadId: string; readonly tenant: string }) {
  const query = yield* Query;
  const messages: Array<MessageRow> = [];
  for (let after = 0; ;) {
    const page = yield* query.messages({ ...filter, after, limit: maxPage });
    messages.push(...page);
    const last = page.at(-1);
    if (last === undefined || page.length < maxPage) return messages;
    after = last.sequence;
  }
});

export const thread = Command.make(
  "thread",
  {
    thread: threadArgument,
    at: Flag.String("at").pipe(
      Flag.withMetavar("SEQUENCE|TIME"),
      Flag.withDescription("As it was then"),
      Flag.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.thread")(function* (input) {
    const query = yield* Query;
    const key = { threadId: input.thread, tenant: input.tenant };
    const found = yield* query.thread(key);
    if (found === undefined) {
      return yield* new NotFound({
        message: `There is no thread ${input.thread}.`,
        hint: "recollect threads lists them.",
      });
    }
    const messages = yield* allMessages({ ...key, ...(yield* readAt(input.at)) });
    if (input.json) return yield* Output.json({ thread: found, messages });
    yield* Output.line(`${Output.clip(found.title ?? found.opening ?? "(nothing said)", 100)}  [${found.threadId}]`);
    yield* Output.line(
      `${Output.counted(messages.length, "message")}, ${Output.counted(found.toolCalls, "tool call")}, from ${found.source ?? found.client ?? "a publisher"}`,
    );
    for (const message of messages) yield* Output.line(`\n${messageText(message)}`);
  }, readModels),
).pipe(Command.withDescription("Show one conversation"));
