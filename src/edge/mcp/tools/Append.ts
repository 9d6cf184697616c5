/**
 * `append` and `fork`: a message into a conversation, and a new conversation that continues one.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import * as EventId from "../../../domain/EventId.ts";
import * as Thread from "../../../publish/thread/ThreadPublisher.ts";
import { ThreadViews } from "../../../publish/thread/ThreadViews.ts";
import { Desk } from "../Desk.ts";
import { maybeText, text, threadId, threadOf, whole } from "../Parameters.ts";
import { known } from "../../../query/brief/Plain.ts";
import { Refused } from "../Refusal.ts";
import { type Call, tool } from "../Tool.ts";

const longestMessage = 200_000;

/** Provenance of what a tool writes; over HTTP with the token's name, whatever the client calls itself. */
const speaks = ({ client, who }: Call) => ({
  ...known({ actor: client?.name, source: client === undefined ? undefined : `mcp/${client.name}` }),
  ...(who.name === undefined ? {} : { extensions: { principal: who.name } }),
});

const whereIn = (published: { readonly _tag: string; readonly sequence?: number }) =>
  known({
    stored:
      published._tag === "Spooled"
        ? "on this machine's disk; it reaches the log when that can be reached"
        : "in the log",
    place: published.sequence,
  });

/**
 * The id in full where the read models know one that begins so, else the id itself: the thread may be new, and one that is in
 * the log already is not taken for the beginning of another.
 */
const idOf = Effect.fnUntraced(function* (given: string, tenant: string) {
  const desk = yield* Desk;
  const views = Effect.flatMap(desk.writing, (writing) =>
    Effect.provideContext(
      ThreadViews.use((all) => all.get(given, { deleted: true })),
      writing,
    ),
  );
  const there = yield* Effect.option(views);
  if (there._tag === "Some" && there.value !== undefined) return given;
  const found = yield* Effect.option(Effect.flatMap(desk.query, (query) => threadOf(query, given, tenant)));
  return found._tag === "Some" && found.value !== undefined ? found.value.threadId : given;
});

export const append = tool({
  name: "append",
  title: "Write into a conversation",
  description: `Writes one message into a thread, durably: a decision, a finding, a note to those who come later. Without thread a new one begins; give it a title. The message is found by search within a second and cannot be changed or removed. Give id to be able to repeat a call: the same id twice is one message. At most ${longestMessage} characters.`,
  deed: "write",
  isIdempotent: false,
  parameters: {
    text: text("What to say", longestMessage),
    thread: maybeText("Thread to write into. Default: a new one."),
    title: maybeText("Title of a new thread", 200),
    role: Schema.optionalKey(
      Schema.Literals(["assistant", "user", "system"]).annotate({ description: "Who says it. Default assistant." }),
    ),
    id: maybeText("Unique id of the message, for repeating the call safely", 200),
  },
  handle: Effect.fnUntraced(function* (input, call) {
    const writing = yield* (yield* Desk).writing;
    const id = input.thread === undefined ? undefined : yield* idOf(input.thread, call.who.tenant);
    /** Ids that follow from the caller's: whatever is repeated is one. */
    const idFor = (what: string) =>
      input.id === undefined ? undefined : EventId.fromName("mcp", call.who.tenant, input.id, what);
    const said = Effect.gen(function* () {
      const thread = yield* Thread.thread(id ?? idFor("thread"));
      const about = speaks(call);
      const title = input.title ?? input.text.slice(0, 80).toWellFormed();
      if (id === undefined) yield* thread.open({ title, ...known({ id: idFor("opened") }), ...about });
      const published = yield* thread.say({
        role: input.role ?? "assistant",
        text: input.text,
        ...known({ messageId: input.id, id: idFor("said") }),
        ...about,
      });
      return { thread: thread.id, message: input.id ?? published.eventId, ...whereIn(published) };
    });
    if (input.thread !== undefined && input.title !== undefined)
      return yield* new Refused({
        message: "A title is given to a new thread only.",
        hint: "Leave out thread, or title.",
      });
    return yield* Effect.provideContext(said, writing);
  }),
});

export const fork = tool({
  name: "fork",
  title: "Continue a conversation in a new thread",
  description: `Begins a new thread that continues another from its end, or from a place in it, and leaves that one as it is. Nothing is copied: reading the fork gives what was said before too. Answers the new thread's id; append writes into it.`,
  deed: "write",
  isIdempotent: false,
  parameters: {
    thread: threadId,
    at: whole("Place (of a hit or a message) that is the last of both. Default: the end.", 1, Number.MAX_SAFE_INTEGER),
  },
  handle: Effect.fnUntraced(function* (input, call) {
    const writing = yield* (yield* Desk).writing;
    const id = yield* idOf(input.thread, call.who.tenant);
    const forked = Effect.gen(function* () {
      const thread = yield* Thread.thread(id);
      if ((yield* thread.read()) === undefined)
        return yield* new Refused({ message: `There is no thread ${id}.`, hint: "list_threads and search give ids." });
      const published = yield* thread.fork({ ...known({ atSequence: input.at }), ...speaks(call) });
      return { thread: published.threadId, continues: id, ...whereIn(published) };
    });
    return yield* Effect.provideContext(forked, writing);
  }),
});
