/**
 * `recollect export THREAD`: a transcript on stdout, as it came in.
 *
 * Room: edge.
 */
import { Effect, Option, Stdio, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { exportThread } from "../export/Export.ts";
import { formats } from "../import/Entry.ts";
import * as Output from "./Output.ts";
import { wholeThreadId } from "./threads/ThreadIds.ts";
import { store, tenant, threadArgument } from "./Flags.ts";

export const exportCommand = Command.make(
  "export",
  {
    thread: threadArgument,
    format: Flag.Literals("format", formats).pipe(
      Flag.withDescription(
        "Its own format gives back what came in, with --raw byte for byte; another one tells the conversation in it (default: its own)",
      ),
      Flag.optional,
    ),
    tenant,
  },
  Effect.fn("cli.export")(function* (input) {
    const stdio = yield* Stdio.Stdio;
    const pieces = yield* exportThread({
      thread: yield* wholeThreadId(input.thread, input.tenant),
      tenant: input.tenant,
      format: Option.getOrUndefined(input.format),
      shown: yield* Output.Shows,
    });
    yield* Stream.run(pieces, stdio.stdout({ endOnDone: false }));
  }, store),
).pipe(
  Command.withDescription("Write one thread as a transcript to stdout"),
  Command.withExamples([
    {
      command: "recollect export THREAD > session.jsonl",
      description: "What was imported, line by line, without secrets",
    },
    { command: "recollect export THREAD --raw > session.jsonl", description: "Every byte as it was imported" },
    { command: "recollect export THREAD --format openai-chat", description: "Any thread as chat-completions messages" },
  ]),
);
