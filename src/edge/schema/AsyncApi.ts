/**
 * The NATS contract as one AsyncAPI 3.0 document: subjects, headers, bodies, acknowledgements, and answers as they are said.
 *
 * Room: edge.
 *
 * From the side of a program that publishes and watches: `send` is what it does, `receive` what it hears. Generated from the same
 * Schemas as the files beside it.
 */
import { Schema } from "effect";
import { eventTypes } from "../../domain/Event.ts";
import { maxIdBytes } from "../../domain/History.ts";
import { LiveDelta, LiveEnded, LiveSoFar } from "../../log/live/Live.ts";
import { root } from "../../log/Subject.ts";
import { version } from "../../machine/Version.ts";

/** Dialect of the bodies' schemas; AsyncAPI's own would be draft 7. */
const schemaFormat = "application/schema+json;version=draft-2020-12";

const reference = (section: string, name: string) => ({ $ref: `#/components/${section}/${name}` });

const inlined = (schema: Schema.Top) => {
  const { definitions, schema: body } = Schema.toJsonSchemaDocument(schema);
  return { schemaFormat, schema: { ...body, ...(Object.keys(definitions).length > 0 ? { $defs: definitions } : {}) } };
};

const text = (description: string, more: object = {}) => ({ type: "string", description, ...more });

/** Headers of every event: CloudEvents 1.0 in binary mode. */
const envelope = {
  type: "object",
  description:
    'Values are ASCII; other characters, % and " are percent-encoded. ce-<name> in lower-case letters and digits is kept as it is.',
  required: ["ce-id", "ce-type", "ce-source", "ce-time"],
  properties: {
    "ce-id": text("Unique for ever: the same id twice is one event. A UUIDv7 is best."),
    "ce-type": text("The event type."),
    "ce-source": text("The program that writes."),
    "ce-time": text("When it happened.", { format: "date-time" }),
    "ce-specversion": text("CloudEvents.", { const: "1.0" }),
    "ce-schemaversion": text("Version of the type's schema; 1 when absent.", { pattern: "^[1-9][0-9]*$" }),
    "Nats-Msg-Id": text("The value of ce-id: the server refuses a repetition by itself for ten minutes."),
    "ce-subject": text("The id of the history."),
    "ce-actor": text("Who did it: a person, a model, a program."),
    "ce-session": text("The session it happened in."),
    "ce-correlationid": text("What the whole chain belongs to."),
    "ce-causationid": text("The ce-id of the event that caused this one."),
    "ce-traceparent": text("W3C trace context."),
    "Nats-Expected-Last-Subject-Sequence": text(
      "The last sequence of this history that was seen, 0 for a new one: refused with error 10071 when another writer came first.",
      { pattern: "^[0-9]+$" },
    ),
  },
};

const token = (description: string) => ({ description });
const tenant = token("default, unless several are separated. Encoded like an id.");
const id = token(
  `1 to ${maxIdBytes} bytes of UTF-8. Letters, digits, - and _ stand for themselves; every other byte is = and two upper-case hexadecimal digits.`,
);

const all = Object.entries(eventTypes);
const kinds = [...new Set(all.map(([, { kind }]) => kind))];
const own = "x.vendor.name";
/** Kinds of histories that take any vendor's events. */
const open: ReadonlySet<string> = new Set(["thread", "task", "session"]);

const messages = {
  ...Object.fromEntries(
    all.map(([name, { version: schemaVersion }]) => [
      name,
      {
        name,
        contentType: "application/json",
        headers: {
          allOf: [
            reference("schemas", "Envelope"),
            {
              properties: {
                "ce-type": { const: name },
                ...(schemaVersion === 1 ? {} : { "ce-schemaversion": { const: String(schemaVersion) } }),
              },
              ...(schemaVersion === 1 ? {} : { required: ["ce-schemaversion"] }),
            },
          ],
        },
        payload: { schemaFormat, schema: { $ref: `./${name}.json` } },
      },
    ]),
  ),
  [own]: {
    name: own,
    summary: "Any vendor's event: x.<vendor>.<name>, with any JSON.",
    contentType: "application/json",
    headers: {
      allOf: [reference("schemas", "Envelope"), { properties: { "ce-type": { pattern: "^x\\.[^.]+\\..+$" } } }],
    },
    payload: { schemaFormat, schema: {} },
  },
  acknowledgement: {
    name: "acknowledgement",
    summary:
      "It is on disk, with this sequence. Without one it may not have happened: publish again with the same ce-id.",
    contentType: "application/json",
    payload: {
      type: "object",
      required: ["stream", "seq"],
      properties: {
        stream: { type: "string" },
        seq: { type: "integer", minimum: 1 },
        duplicate: { type: "boolean", description: "It was there." },
      },
    },
  },
  liveDelta: { name: "liveDelta", contentType: "application/json", payload: inlined(LiveDelta) },
  liveEnded: { name: "liveEnded", contentType: "application/json", payload: inlined(LiveEnded) },
  liveQuestion: { name: "liveQuestion", summary: "An empty request.", payload: { type: "null" } },
  liveSoFar: { name: "liveSoFar", contentType: "application/json", payload: inlined(LiveSoFar) },
};

const named = (names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, reference("messages", name)]));

const channelMessages = (kind: string): ReadonlyArray<string> => [
  ...all.filter(([, type]) => type.kind === kind).map(([name]) => name),
  ...(open.has(kind) ? [own] : []),
];

const channels = {
  ...Object.fromEntries(
    kinds.map((kind) => [
      kind,
      {
        address: `${root}.{tenant}.${kind}.{id}`,
        description: `The history of one ${kind}, in the stream RECOLLECT. Each event type belongs to one kind of history.`,
        parameters: { tenant, id },
        messages: named(channelMessages(kind)),
      },
    ]),
  ),
  acknowledgements: {
    address: null,
    description: "The reply subject of a publish.",
    messages: named(["acknowledgement"]),
  },
  live: {
    address: `${root}-live.{tenant}.thread.{id}`,
    description: "An answer bit by bit, at most once, in no stream: numbered from 0.",
    parameters: { tenant, id },
    messages: named(["liveDelta", "liveEnded"]),
  },
  liveAsk: {
    address: `${root}-live-ask.{tenant}.thread.{id}.{messageId}`,
    description: "For those who join in the middle, or miss a number.",
    parameters: { tenant, id, messageId: token("Encoded like an id.") },
    messages: named(["liveQuestion"]),
  },
  liveAnswers: { address: null, description: "The reply subject of a question.", messages: named(["liveSoFar"]) },
};

const channel = (name: string) => ({ $ref: `#/channels/${name}` });
const message = (of: string, name: string) => ({ $ref: `#/channels/${of}/messages/${name}` });

const operations = {
  ...Object.fromEntries(
    kinds.map((kind) => [
      `publish_${kind}`,
      {
        action: "send",
        channel: channel(kind),
        summary: `Appends one event to a ${kind}: a JetStream publish.`,
        messages: channelMessages(kind).map((name) => message(kind, name)),
        reply: { channel: channel("acknowledgements"), messages: [message("acknowledgements", "acknowledgement")] },
      },
    ]),
  ),
  watchLive: {
    action: "receive",
    channel: channel("live"),
    messages: ["liveDelta", "liveEnded"].map((name) => message("live", name)),
  },
  askLive: {
    action: "send",
    channel: channel("liveAsk"),
    messages: [message("liveAsk", "liveQuestion")],
    reply: { channel: channel("liveAnswers"), messages: [message("liveAnswers", "liveSoFar")] },
  },
};

export const asyncApi = {
  asyncapi: "3.0.0",
  info: {
    title: "Recollect over NATS",
    version,
    description:
      "Conversations, tasks and sessions as events. One event is one message with headers; docs/publishing.md says it in words, and who may.",
  },
  defaultContentType: "application/json",
  servers: {
    local: {
      host: "127.0.0.1:4222",
      protocol: "nats",
      description:
        "The address that `recollect up` prints. Connections need a key, or a user of `recollect access add`.",
    },
  },
  channels,
  operations,
  components: { messages, schemas: { Envelope: envelope } },
};
