/**
 * `recollect resume THREAD`: the command with which the thread's own agent goes on with it.
 *
 * Room: edge.
 */
import { Effect, FileSystem } from "effect";
import { Command } from "effect/cli";
import { fileURLToPath } from "node:url";
import { resumeOf } from "../../../query/brief/Resume.ts";
import { NotFound } from "../Failure.ts";
import { json, readModels, tenant, threadArgument } from "../Flags.ts";
import * as Output from "../Output.ts";
import { namedInHint, threadNamed } from "./ThreadIds.ts";

/** True when the file that a thread came from is not there any more; a file that cannot be looked at is. */
const isGone = Effect.fnUntraced(function* (source: string | null) {
  if (source?.startsWith("file:///") !== true) return false;
  const fs = yield* FileSystem.FileSystem;
  return yield* Effect.try(() => fileURLToPath(source)).pipe(
    Effect.flatMap((path) => fs.exists(path)),
    Effect.map((isThere) => !isThere),
    Effect.orElseSucceed(() => false),
  );
});

const goOn = "Another agent can go on with it: recollect hand-over";

export const resume = Command.make(
  "resume",
  { thread: threadArgument, tenant, json },
  Effect.fn("cli.resume")(function* (input) {
    const thread = yield* threadNamed(input.thread, input.tenant);
    const { parentThreadId, threadId, tool } = thread;
    const agent = tool ?? thread.client;
    const found = resumeOf(thread);
    if (found === undefined) {
      const why =
        parentThreadId !== null && thread.parentRelation !== "fork"
          ? `${threadId} worked for ${parentThreadId}, and is taken up by it alone.`
          : `There is no command that is sure to take up ${threadId}, of ${agent ?? "a publisher"}.`;
      return yield* new NotFound({ message: why, hint: `${goOn} ${namedInHint(thread)}` });
    }
    if (input.json) {
      const { command, folder, words } = found;
      return yield* Output.json({ threadId, agent, command, words, folder: folder ?? null });
    }
    if (yield* isGone(thread.source))
      yield* Output.note(
        `Its transcript is gone from the disk, and its agent may not take it up. ${goOn} ${namedInHint(thread)}`,
      );
    yield* Output.line(found.command);
    if (found.folder === undefined)
      yield* Output.note("Run it in the project's folder: the transcript does not say which one it was.");
  }, readModels),
).pipe(
  Command.withDescription("Print the command with which the thread's own agent goes on with it"),
  Command.withExamples([
    { command: "recollect resume THREAD", description: "cd PROJECT && claude --resume ID, and the like" },
    { command: 'eval "$(recollect resume THREAD)"', description: "Go on at once" },
  ]),
);
