/**
 * Threads: said in, synchronised, read, listed, searched, and what is done to one as a whole.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api";
import { Part, Program } from "../../../domain/thread/Content.ts";
import { MessageAppended, ToolCalled, ToolReturned } from "../../../domain/thread/ThreadEvents.ts";
import { hitKinds } from "../../../query/search/Search.ts";
import { Access, moving, named, Needs, usual } from "./Access.ts";
import {
  aboutFields,
  asOf,
  byId,
  Count,
  flag,
  MessageRead,
  numberFrom,
  optional,
  Published,
  sequence,
  threadFilters,
} from "./Shapes.ts";
import { ThreadRead, Time } from "./Shapes.ts";

const Text = Schema.String;
const texts = Schema.Array(Text);

/** Answered in the log, or in the spool of the daemon. */
const published = [Published.pipe(HttpApiSchema.status(201)), Published.pipe(HttpApiSchema.status(202))] as const;

const {
  messageId: _messageId,
  normalised: _normalised,
  parts: _parts,
  resent: _resent,
  ...said
} = MessageAppended.fields;

/** Message of a person, model or tool: `text`, or `parts`, or both. */
export const Saying = Schema.Struct({
  ...said,
  text: optional(Text),
  parts: optional(Schema.Array(Part)),
  messageId: optional(Text),
  ...aboutFields,
}).annotate({ identifier: "Saying" });

const { callId: _callId, ...called } = ToolCalled.fields;
const { callId: _returned, ...returned } = ToolReturned.fields;

const Describing = Schema.Struct({
  title: optional(Text),
  tool: optional(Text),
  client: optional(Program),
  provider: optional(Text),
  model: optional(Text),
  cwd: optional(Text),
  branch: optional(Text),
  parentThreadId: optional(Text),
  addTags: optional(texts),
  removeTags: optional(texts),
  ...aboutFields,
});

/** The conversation as its client holds it: chat-completions messages, or ours. */
const Conversation = Schema.Struct({
  messages: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)).check(Schema.isMaxLength(10_000)),
  ...aboutFields,
});

/** One message, as a conversation holds it. */
const Observed = Schema.Struct({ message: Schema.Record(Schema.String, Schema.Unknown), ...aboutFields });

const Synced = Schema.Struct({
  appended: Schema.Array(Published),
  /** Messages that the thread had already. */
  known: Count,
  /** New ones that were stored without what they repeat. */
  normalised: Count,
  /** Change of the client's history; absent when it only went on. */
  resent: optional(Schema.Unknown),
}).annotate({ identifier: "Synced" });

const Listed = Schema.Struct({
  threads: Schema.Array(
    Schema.Struct({
      id: Text,
      title: Schema.NullOr(Text),
      tags: texts,
      listedAt: Time,
      firstSequence: Count,
      lastSequence: Count,
    }),
  ),
  next: optional(Text),
  /** False: what was appended last is not all in the lists yet. */
  isCurrent: Schema.Boolean,
}).annotate({ identifier: "ThreadPage" });

/** Fields are the columns of the views in camel case; `v_dictionary` says what they mean. */
const Row = Schema.Record(Schema.String, Schema.Unknown);

const Found = Schema.Struct({
  threads: Schema.Array(Schema.Struct({ thread: Row, count: Count, hits: Schema.Array(Row) })),
  /** Hits that were ranked, and whether there are older ones that were not. */
  ranked: Count,
  isCut: Schema.Boolean,
}).annotate({ identifier: "SearchAnswer" });

const Messages = Schema.Struct({
  messages: Schema.Array(MessageRead),
  /** Value of `cursor` for the next page; absent on the last. */
  next: optional(Text),
}).annotate({ identifier: "MessagePage" });

export const Threads = HttpApiGroup.make("threads")
  .add(
    HttpApiEndpoint.get("list", "/", {
      query: {
        limit: optional(numberFrom(1, 1_000)),
        cursor: optional(Text),
        prefix: optional(Text),
        tag: optional(Text),
        ...threadFilters,
        asOf,
      },
      success: Listed,
      error: usual,
    })
      .annotate(OpenApi.Summary, "List threads, newest activity first")
      .annotate(
        OpenApi.Description,
        "`project`: a working directory, one below it, or its last name. `agent`: its beginning is enough. `model`: a part of its name. `tool`: called in it. `file`: read, or named to a tool. `hasError`: a call failed. `main`: without sub-agents. `since`: active from then on; `until`: begun by then.",
      ),

    HttpApiEndpoint.get("read", "/:id", {
      params: byId,
      query: { last: optional(numberFrom(0, 1_000)), atLeast: optional(sequence), deleted: optional(flag) },
      headers: { "if-none-match": optional(Text) },
      success: ThreadRead,
      error: named,
    })
      .annotate(OpenApi.Summary, "Read a thread as it is now")
      .annotate(
        OpenApi.Description,
        "With what this machine has accepted. `atLeast`: a sequence that the answer must hold, for an append made elsewhere. `last`: so many messages, whole. ETag: the last sequence; 304 for If-None-Match.",
      ),

    HttpApiEndpoint.get("messages", "/:id/messages", {
      params: byId,
      query: {
        limit: optional(numberFrom(1, 1_000)),
        cursor: optional(Text),
        deleted: optional(flag),
        atTime: optional(sequence),
        atSequence: optional(sequence),
        asOf,
      },
      success: Messages,
      error: named,
    })
      .annotate(OpenApi.Summary, "Every message, whole, page by page")
      .annotate(
        OpenApi.Description,
        "`atTime` (epoch milliseconds) or `atSequence`: what had been said by then. `asOf`: the same by the whole record as it was, edits and deletions too. None of a thread that is hidden, but with `deleted=true`, nor of one that is unknown. With `accept: application/x-ndjson` all of them as they are now, one a line.",
      ),

    HttpApiEndpoint.post("say", "/:id/messages", { params: byId, payload: Saying, success: published, error: moving })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Say a message"),

    HttpApiEndpoint.post("sync", "/:id/sync", { params: byId, payload: Conversation, success: Synced, error: moving })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Hand over the whole conversation; only what is new is appended")
      .annotate(OpenApi.Description, "For clients that send all of it each turn. Once or five times is the same."),

    HttpApiEndpoint.post("observe", "/:id/observe", {
      params: byId,
      payload: Observed,
      success: published,
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Say one message, stored without what it repeats of the thread")
      .annotate(OpenApi.Description, "Nothing is lost: the event has references to the messages that it repeats."),

    HttpApiEndpoint.post("callTool", "/:id/tool-calls", {
      params: byId,
      payload: Schema.Struct({ ...called, callId: optional(Text), ...aboutFields }),
      success: Schema.Struct({ callId: Text, ...Published.fields }).pipe(HttpApiSchema.status(201)),
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Record that a tool is asked for, before it runs"),

    HttpApiEndpoint.post("endTool", "/:id/tool-calls/:callId", {
      params: { ...byId, callId: Text },
      payload: Schema.Struct({ ...returned, ...aboutFields }),
      success: published,
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Record what the tool answered"),

    HttpApiEndpoint.patch("describe", "/:id", { params: byId, payload: Describing, success: published, error: moving })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Name, describe or tag a thread"),

    HttpApiEndpoint.post("fork", "/:id/fork", {
      params: byId,
      payload: Schema.Struct({
        threadId: optional(Text),
        atMessageId: optional(Text),
        atSequence: optional(Count),
        ...aboutFields,
      }),
      success: Schema.Struct({ threadId: Text, ...Published.fields }).pipe(HttpApiSchema.status(201)),
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Continue a thread as a new one"),

    HttpApiEndpoint.post("move", "/:id/:verb", {
      params: { ...byId, verb: Schema.Literals(["archive", "delete", "restore", "expire"]) },
      payload: Schema.Struct({ reason: optional(Text), at: optional(Time), ...aboutFields }),
      success: published,
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Archive, delete, expire or restore a thread")
      .annotate(
        OpenApi.Description,
        "Deleting hides a thread until it is restored; its events stay. `at`: of an expiry.",
      ),
  )
  .prefix("/v1/threads")
  .middleware(Access)
  .annotate(OpenApi.Title, "Threads");

export const Search = HttpApiGroup.make("search")
  .add(
    HttpApiEndpoint.get("search", "/v1/search", {
      query: {
        q: Text.check(Schema.isMinLength(1)),
        by: optional(Schema.Literals(["words", "contains", "regex"])),
        kinds: optional(Text),
        limit: optional(numberFrom(1, 100)),
        hitsPerThread: optional(numberFrom(1, 100)),
        thread: optional(Text),
        ...threadFilters,
        asOf,
      },
      success: Found,
      error: usual,
    })
      .annotate(OpenApi.Summary, "Search what was said, thought, called and answered")
      .annotate(OpenApi.Description, `\`kinds\`: of ${hitKinds.join(", ")}, separated by commas.`),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Search");
