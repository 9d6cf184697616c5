/**
 * `recollect inbox send|list|read|reply|ack|release|dead|retry|clear`: messages between agents, for people and for agents that are shell scripts.
 *
 * Room: edge.
 */
import { Clock, Effect, Layer, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { valueOf } from "../../../coordination/config/ConfigLayers.ts";
import { Inbox, type Message, type Taken } from "../../../coordination/inbox/Inbox.ts";
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
const receipt = Argument.String("receipt").pipe(Argument.withDescription("Receipt that read gave"));
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

/** One that was taken by its receipt, another by its id. */
const say = (asJson: boolean) => (message: Message | Taken) => {
  if (asJson) return Output.json(message);
  const about = message.isRequest ? " asks" : message.inReplyTo === null ? "" : " replies";
  const which = "receipt" in message ? message.receipt : message.id;
  return Output.line(`${which}  ${message.from}${about}: ${textOf(message.body)}`);
};

const notHeld = (held: string, whose: string) =>
  new NotFound({
    message: `No message in the inbox of ${whose} is held by the receipt ${held}.`,
    hint: `It was handled, or its lease is over. recollect inbox list ${whose} lists what lies there.`,
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
    const now = yield* Clock.currentTimeMillis;
    const rows = messages.map(({ attempts, body: said, expiresAt, from, id, isRequest, sentAt, takenUntil }) => [
      Output.moment(sentAt),
      Output.moment(expiresAt),
      id,
      Output.clip(from, 30),
      isRequest ? "yes" : "",
      takenUntil > now ? Output.moment(takenUntil) : "",
      attempts === 0 ? "" : `${attempts}`,
      Output.clip(textOf(said), 60),
    ]);
    const header = ["sent (UTC)", "until (UTC)", "message", "from", "asks", "taken until", "attempts", "body"];
    for (const text of Output.table(header, rows)) yield* Output.line(text);
    const more = all.length - messages.length;
    if (more > 0)
      yield* Output.note(`And ${Output.counted(more, "more message", "more messages")}; --limit shows them.`);
  }),
).pipe(
  Command.withDescription("List what waits for a name or is being handled, oldest first; takes nothing"),
  Command.withExamples([{ command: "recollect inbox list reviewer", description: "What waits, oldest first" }]),
);

const read = Command.make(
  "read",
  {
    name,
    lease: seconds("lease", "Time that no other receiver gets it (default: 30)"),
    wait: seconds("wait", "Patience until there is one (default: none)"),
    attempts: Flag.Int("attempts").pipe(
      Flag.withMetavar("COUNT"),
      Flag.withDescription("Attempts after which a message is a dead letter (default: 10)"),
      Flag.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.inbox.read")(function* (input) {
    const taking = {
      name: input.name,
      ...given("leaseMillis", input.lease),
      ...given("waitMillis", input.wait),
      ...given("maxAttempts", input.attempts),
    };
    const taken = yield* withInbox(input.tenant, (inbox) => inbox.take(taking));
    if (Option.isSome(taken)) return yield* say(input.json)(taken.value);
    return yield* new NotFound({
      message: `Nothing waits for ${input.name}.`,
      hint: "--wait 60 waits a minute for it.",
    });
  }),
).pipe(
  Command.withDescription("Take the oldest free message under a lease; its receipt is for ack, reply and release"),
  Command.withExamples([
    { command: "recollect inbox read reviewer --wait 60 --json", description: "The next message, or exit code 4" },
  ]),
);

const ack = Command.make(
  "ack",
  { name, receipt, tenant, json },
  Effect.fn("cli.inbox.ack")(function* (input) {
    const acknowledged = yield* withInbox(input.tenant, (inbox) => inbox.acknowledge(input));
    if (!acknowledged) return yield* notHeld(input.receipt, input.name);
    if (input.json) yield* Output.json({ acknowledged });
  }),
).pipe(
  Command.withDescription("Take a message that was handled out of the inbox"),
  Command.withExamples([
    { command: "recollect inbox ack reviewer RECEIPT", description: "It was handled, and lies there no longer" },
  ]),
);

const reply = Command.make(
  "reply",
  { name, receipt, body: bodyOf("The reply: JSON, or any other text as it is"), session: sessionFlag, tenant, json },
  Effect.fn("cli.inbox.reply")(function* (input) {
    const which = { name: input.name, receipt: input.receipt };
    const answering = { ...which, body: valueOf(input.body), ...given("session", input.session) };
    const id = yield* withInbox(input.tenant, (inbox) =>
      Effect.tap(inbox.reply(answering), () => inbox.acknowledge(which)),
    );
    yield* input.json ? Output.json({ id }) : Output.line(id);
  }),
).pipe(
  Command.withDescription("Reply to a message, and take it out of the inbox"),
  Command.withExamples([
    { command: 'recollect inbox reply reviewer RECEIPT "done"', description: "The sender gets the reply" },
  ]),
);

const release = Command.make(
  "release",
  {
    name,
    receipt,
    delay: seconds("delay", "Time that it rests (default: none)"),
    failed: Flag.String("failed").pipe(
      Flag.withMetavar("WHY"),
      Flag.withDescription("The attempt failed: it counts, and the last one makes a dead letter"),
      Flag.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.inbox.release")(function* (input) {
    const which = { name: input.name, receipt: input.receipt };
    const releasing = { ...which, ...given("delayMillis", input.delay), ...given("failed", input.failed) };
    const released = yield* withInbox(input.tenant, (inbox) => inbox.release(releasing));
    if (!released) return yield* notHeld(input.receipt, input.name);
    if (input.json) yield* Output.json({ released });
  }),
).pipe(
  Command.withDescription("Give a message back before its lease is over"),
  Command.withExamples([
    { command: "recollect inbox release reviewer RECEIPT", description: "The next receiver gets it at once" },
    { command: "recollect inbox release reviewer RECEIPT --failed 'no such file'", description: "It is tried again" },
  ]),
);

const dead = Command.make(
  "dead",
  { name, limit, tenant, json },
  Effect.fn("cli.inbox.dead")(function* (input) {
    const all = yield* withInbox(input.tenant, (inbox) => inbox.dead(input.name));
    const letters = all.slice(0, input.limit);
    if (input.json) return yield* Output.json({ dead: all.length, letters });
    if (letters.length === 0) return yield* Output.note(`No dead letters of ${input.name}.`);
    const rows = letters.map(({ attempts, diedAt, message, reason }) => [
      Output.moment(diedAt),
      message.id,
      Output.clip(message.from, 30),
      `${attempts}`,
      Output.clip(reason, 60),
    ]);
    for (const text of Output.table(["dead (UTC)", "message", "from", "attempts", "reason"], rows)) {
      yield* Output.line(text);
    }
  }),
).pipe(
  Command.withDescription("List messages that failed in all their attempts, oldest first"),
  Command.withExamples([{ command: "recollect inbox dead reviewer", description: "Each with its last failure" }]),
);

const retry = Command.make(
  "retry",
  {
    name,
    messageId: Argument.String("id").pipe(
      Argument.withDescription("Id of the message (default: all dead letters)"),
      Argument.optional,
    ),
    tenant,
    json,
  },
  Effect.fn("cli.inbox.retry")(function* (input) {
    const which = { name: input.name, ...given("id", input.messageId) };
    const messages = yield* withInbox(input.tenant, (inbox) => inbox.retry(which));
    if (input.json) return yield* Output.json({ messages });
    yield* Output.line(`${Output.counted(messages, "message", "messages")} put into the inbox of ${input.name} again.`);
  }),
).pipe(
  Command.withDescription("Put dead letters into the inbox again"),
  Command.withExamples([
    { command: "recollect inbox retry reviewer", description: "All of them" },
    { command: "recollect inbox retry reviewer MESSAGE", description: "One of them" },
  ]),
);

const clear = Command.make(
  "clear",
  {
    name,
    dead: Flag.Boolean("dead").pipe(Flag.withDefault(false), Flag.withDescription("The dead letters in its place")),
    tenant,
    json,
  },
  Effect.fn("cli.inbox.clear")(function* (input) {
    const messages = yield* withInbox(input.tenant, (inbox) => inbox.clear(input));
    if (input.json) return yield* Output.json({ messages });
    yield* Output.line(`${Output.counted(messages, "message", "messages")} taken out of the inbox of ${input.name}.`);
  }),
).pipe(
  Command.withDescription("Empty an inbox, unhandled; that the messages were sent stays recorded"),
  Command.withExamples([
    { command: "recollect inbox clear reviewer", description: "Empty it" },
    { command: "recollect inbox clear reviewer --dead", description: "Forget its dead letters" },
  ]),
);

export const inbox = Command.make("inbox").pipe(
  Command.withDescription("Messages between agents: send, list, read, reply, ack, release, dead, retry, clear"),
  Command.withSubcommands([send, list, read, reply, ack, release, dead, retry, clear]),
);
