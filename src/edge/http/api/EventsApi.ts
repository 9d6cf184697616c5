/**
 * The events of one thread, task or session: appended, and read in order.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api";
import { Access, moving, named, Needs } from "./Access.ts";
import { aboutFields, byId, Count, EventRead, numberFrom, optional, Published, sequence } from "./Shapes.ts";

/** An event as it is said: `data` by its Schema for our own types, any JSON for `x.<vendor>.<name>`. */
export const EventSaid = Schema.Struct({ type: Schema.String, data: Schema.Unknown, ...aboutFields }).annotate({
  identifier: "NewEvent",
});

/** Most events of one page, and of one append (the server's limit for an atomic batch). */
export const mostEvents = 1_000;

/** One event as it is said; or several, all or none, which stand in the log when this is answered. */
export const Appending = Schema.Union([
  EventSaid,
  Schema.Struct({
    events: Schema.Array(EventSaid).check(Schema.isMinLength(1), Schema.isMaxLength(mostEvents)),
    /** The last sequence of this history that the caller saw; 0: it must be new. 409 when another writer came first. */
    expected: optional(Count),
  }),
]);

const AppendedAll = Schema.Struct({
  outcome: Schema.Literals(["appended", "duplicate", "withheld"]),
  /** Of the last event. */
  sequence: Count,
  eventIds: Schema.Array(Schema.String),
  /** Number of those that the audit policy records nothing of; absent: none. */
  withheld: optional(Count),
}).annotate({ identifier: "AppendedAll" });

const EventPage = Schema.Struct({
  events: Schema.Array(EventRead),
  /** Value of `after` for the next page; absent on the last, which has all that waits on the machine. */
  next: optional(Count),
}).annotate({ identifier: "EventPage" });

const append = HttpApiEndpoint.post("append", "/:id/events", {
  params: byId,
  payload: Appending,
  headers: { "if-match": optional(Schema.String) },
  success: [
    Schema.Union([Published, AppendedAll]).pipe(HttpApiSchema.status(201)),
    Published.pipe(HttpApiSchema.status(202)),
  ],
  error: moving,
})
  .annotate(Needs, "publisher")
  .annotate(OpenApi.Summary, "Append one event, or several together")
  .annotate(
    OpenApi.Description,
    "Answered when it is on disk: 201 in the log, 202 in the spool. All writers share one group commit. `If-Match` with the ETag of a read is the expected sequence: 412 when the history has moved on.",
  );

const read = HttpApiEndpoint.get("read", "/:id/events", {
  params: byId,
  query: {
    after: optional(sequence),
    last: optional(numberFrom(1, mostEvents)),
    limit: optional(numberFrom(1, mostEvents)),
    types: optional(Schema.String),
  },
  success: EventPage,
  error: named,
})
  .annotate(OpenApi.Summary, "Events in order, with what waits on this machine")
  .annotate(
    OpenApi.Description,
    "`after` a sequence, the `last` so many, or page by page (`limit`, at most 1,000). `types`: names separated by commas. ETag: the last sequence.",
  );

const groupOf = <const Name extends string, const Path extends `/${string}`>(name: Name, path: Path) =>
  HttpApiGroup.make(name).add(append, read).prefix(path).middleware(Access);

export const ThreadEvents = groupOf("threadEvents", "/v1/threads").annotate(OpenApi.Title, "Events of a thread");
export const TaskEvents = groupOf("taskEvents", "/v1/tasks").annotate(OpenApi.Title, "Events of a task");
export const SessionEvents = groupOf("sessionEvents", "/v1/sessions").annotate(OpenApi.Title, "Events of a session");
