/**
 * `recollect inbox send|list|read|reply|ack|clear`: messages between agents, for people and for agents that are shell scripts.
 *
 * Room: edge.
 */
import { Effect, Layer, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { valueOf } from "../../../coordination/config/ConfigLayers.ts";
import { Inbox, type Message } from "../../../coordination/inbox/Inbox.ts";
import * as Layers from "../../../client/Layers.ts";
import { NotFound } from "../Failure.ts";
import { given, json, limit, storeFromNow, tenant, where } from "../Flags.ts";
import * as Output from "../Output.ts";

const source = "recollect inbox";

/** Runs a handler with inboxes, of the running instance or of one for its own duration. */
const withInbox = <A, E, R>(whose: string, use: (inbox: Inbox["Service"]) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { data, natsUrl } = yield* where;
    return yield* storeFromNow(
      Effect.provide(
        Inbox.use(use),
        Layer.provide(Layers.inbox, Layers.core({ data, url: natsUrl, tenant: whose, source })),
      ),
    );
  });

const name = Argument.String("name").pipe(Argument.withDescription("Whose inbox"));
const messageId = Argument.String("id").pipe(Argument.withDescription("Id of the message"));
const bodyOf = (description: string) => Argument.String("body").pipe(Argument.withDescription(description));
const body = bodyOf("What it says: JSON, or any other text as it is");

const seconds = (flag: string, description: string) =>
  Flag.Finite(flag).pipe(
    Flag.withMetavar("SECONDS"),
    Flag.withDescription(description),
    Flag.map((value) => value * 1_000),
    Flag.optional,
  );

const sessionFlag = Flag.String("session").pipe(
  Flag.withMetavar("ID"),
  Flag.withDescription("Session whose history holds it (default: one named like the sender)"),
  Flag.optional,
);

const textOf = (said: unknown): string => (typeof said === "string" ? said : JSON.stringify(said));

const show = Effect.fnUntraced(function* (message: Message) {
  const about = message.isRequest ? " asks" : message.inReplyTo === null ? "" : " replies";
  yield* Output.line(`${message.id}  ${message.from}${about}: ${textOf(message.body)}`);
});

const say = (asJson: boolean) => (message: Message) => (asJson ? Output.json(message) : show(message));

const noSuch = (id: string, whose: string) =>
  new NotFound({
    message: `There is no message ${id} in the inbox of ${whose}.`,
    hint: `recollect inbox list ${whose} lists what lies there.`,
  });

const send = Command.make(
  "send",
  {
    to: Argument.String("to").pipe(Argument.withDescription("Name of the agent")),
    body,
    from: Flag.String("from").pipe(Flag.withMetavar("NAME"), Flag.withDescription("Name of the sender")),
    id: Flag.String("id").pipe(
      Flag.withDescription("Its id; the same id again adds nothing (default: a new UUID)"),
      Flag.optional,
    ),
    ttl: seconds("ttl", "How long it waits there (default: a day; with --wait 30 seconds)"),
    wait: Flag.Boolean("wait").pipe(Flag.withDefault(false), Flag.withDescription("Wait for the reply, and show it")),
    session: sessionFlag,
    tenant,
    json,
  },
  Effect.fn("cli.inbox.send")(function* (input) {
    const message = {
      from: input.from,
      to: input.to,
      body: valueOf(input.body),
      ...given("id", input.id),
      ...given("ttlMillis", input.ttl),
      ...given("session", input.session),
    };
    yield* withInbox(input.tenant, (inbox) =>
      input.wait
        ? Effect.flatMap(inbox.request(message), say(input.json))
        : Effect.flatMap(inbox.send(message), (id) => (input.json ? Output.json({ id }) : Output.line(id))),
    );
  }),
).pipe(
  Command.withDescription("Send a message to an agent by name; it waits there until it is handled"),
  Command.withExamples([
    { command: `recollect inbox send reviewer '{"diff":"…"}' --from planner`, description: "Prints the message's id" },
    { command: "recollect inbox send reviewer 'is it fine?' --from planner --wait", description: "And its reply" },
  ]),
);

const list = Command.make(
  "list",
  { name, limit, tenant, json },
  Effect.fn("cli.inbox.list")(function* (input) {
    const all = yield* withInbox(input.tenant, (inbox) => inbox.waiting(input.name));
    const messages = all.slice(0, input.limit);
    if (input.json) return yield* Output.json({ waiting: all.length, messages });
    if (messages.length === 0) return yield* Output.note(`Nothing waits for ${input.name}.`);
    const rows = messages.map(({ body: said, expiresAt, from, id, isRequest, sentAt }) => [
      Output.moment(sentAt),
      Output.moment(expiresAt),
      id,
      Output.clip(from, 30),
      isRequest ? "yes" : "",
      Output.clip(textOf(said), 60),
    ]);
    const header = ["sent (UTC)", "until (UTC)", "message", "from", "asks", "body"];
    for (const text of Output.table(header, rows)) yield* Output.line(text);
    const more = all.length - messages.length;
    if (more > 0)
      yield* Output.note(`And ${Output.counted(more, "more message", "more messages")}; --limit shows them.`);
  }),
).pipe(
  Command.withDescription("List what waits for a name, oldest first; takes nothing"),
  Command.withExamples([{ command: "recollect inbox list reviewer", description: "What waits, oldest first" }]),
);

const read = Command.make(
  "read",
  {
    name,
    lease: seconds("lease", "Length of the lease, in which no other handler gets it (default: 30)"),
    wait: seconds("wait", "How long to wait for one (default: not at all)"),
    tenant,
    json,
  },
  Effect.fn("cli.inbox.read")(function* (input) {
    const taking = { name: input.name, ...given("leaseMillis", input.lease), ...given("waitMillis", input.wait) };
    const taken = yield* withInbox(input.tenant, (inbox) => inbox.take(taking));
    if (Option.isSome(taken)) return yield* say(input.json)(taken.value);
    return yield* new NotFound({
      message: `Nothing waits for ${input.name}.`,
      hint: "--wait 60 waits a minute for it.",
    });
  }),
).pipe(
  Command.withDescription("Take the oldest message that is free; say with ack that it was handled"),
  Command.withExamples([
    { command: "recollect inbox read reviewer --wait 60 --json", description: "The next message, or exit code 4" },
  ]),
);

const ack = Command.make(
  "ack",
  { name, messageId, tenant, json },
  Effect.fn("cli.inbox.ack")(function* (input) {
    const which = { name: input.name, id: input.messageId };
    const wasThere = yield* withInbox(input.tenant, (inbox) => inbox.acknowledge(which));
    if (!wasThere) return yield* noSuch(input.messageId, input.name);
    if (input.json) yield* Output.json({ id: input.messageId });
  }),
).pipe(
  Command.withDescription("Say that a message was handled: it is taken out of the inbox"),
  Command.withExamples([
    { command: "recollect inbox ack reviewer MESSAGE", description: "It was handled, and lies there no longer" },
  ]),
);

const reply = Command.make(
  "reply",
  { name, messageId, body: bodyOf("The reply: JSON, or any other text as it is"), session: sessionFlag, tenant, json },
  Effect.fn("cli.inbox.reply")(function* (input) {
    const which = { name: input.name, id: input.messageId };
    const answering = { ...which, body: valueOf(input.body), ...given("session", input.session) };
    const id = yield* withInbox(input.tenant, (inbox) =>
      Effect.tap(inbox.reply(answering), () => inbox.acknowledge(which)),
    );
    yield* input.json ? Output.json({ id }) : Output.line(id);
  }),
).pipe(
  Command.withDescription("Reply to a message, and say that it was handled"),
  Command.withExamples([
    { command: 'recollect inbox reply reviewer MESSAGE "done"', description: "The sender gets the reply" },
  ]),
);

const clear = Command.make(
  "clear",
  { name, tenant, json },
  Effect.fn("cli.inbox.clear")(function* (input) {
    const messages = yield* withInbox(input.tenant, (inbox) => inbox.clear(input.name));
    if (input.json) return yield* Output.json({ messages });
    yield* Output.line(`${Output.counted(messages, "message", "messages")} taken out of the inbox of ${input.name}.`);
  }),
).pipe(
  Command.withDescription("Empty an inbox, unhandled; that the messages were sent stays recorded"),
  Command.withExamples([{ command: "recollect inbox clear reviewer", description: "Empty it" }]),
);

export const inbox = Command.make("inbox").pipe(
  Command.withDescription("Messages between agents: send, list, read, reply, ack, clear"),
  Command.withSubcommands([send, list, read, reply, ack, clear]),
);
