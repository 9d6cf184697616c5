/**
 * The store as a whole: status, configuration, limits, SQL and views, bytes by their hash, and what happens in it.
 *
 * Room: edge.
 */
import { Schema } from "effect";
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api";
import { Access, moving, named, Needs, usual, writing } from "./Access.ts";
import { aboutFields, asOf, byId, Count, numberFrom, optional, Published, sequence } from "./Shapes.ts";

const Text = Schema.String;
/** Fields as the command line prints them with `--json`. */
const Open = Schema.Record(Text, Schema.Unknown);
const bytes = Schema.Uint8Array.pipe(HttpApiSchema.asUint8Array());
const sha256 = { sha256: Text.check(Schema.isPattern(/^[0-9a-f]{64}$/)) };

export const Status = HttpApiGroup.make("status")
  .add(
    HttpApiEndpoint.get("status", "/v1/status", { success: Open, error: usual })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "Stream, projections with gap and lag, snapshots, NATS, what is not well")
      .annotate(OpenApi.Description, "The JSON of `recollect status --json` (docs/cli.md)."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Status");

export const Config = HttpApiGroup.make("config")
  .add(
    HttpApiEndpoint.get("explain", "/", { query: { name: optional(Text) }, success: Open, error: usual }).annotate(
      OpenApi.Summary,
      "Every field: its value, where it comes from, what it means",
    ),
    HttpApiEndpoint.get("history", "/history", { success: Open, error: usual }).annotate(
      OpenApi.Summary,
      "Every version: who changed what, when and why",
    ),
    HttpApiEndpoint.get("diff", "/diff", {
      query: { from: sequence, to: sequence },
      success: Open,
      error: named,
    }).annotate(OpenApi.Summary, "Where two versions differ"),
    HttpApiEndpoint.patch("set", "/", {
      payload: Schema.Struct({
        /** By name; `null` lets a field fall back. All or none. */
        changes: Open,
        why: optional(Text),
        /** The version that the caller saw: 409 when it is another one by now. */
        expectedVersion: optional(Count),
      }),
      success: Open,
      error: writing,
    })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "Change fields, all or none"),
    HttpApiEndpoint.post("rollback", "/rollback", {
      payload: Schema.Struct({ to: Count, why: optional(Text), expectedVersion: optional(Count) }),
      success: Open,
      error: moving,
    })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "One more version with the values of an earlier one"),
  )
  .prefix("/v1/config")
  .middleware(Access)
  .annotate(OpenApi.Title, "Configuration");

export const Limits = HttpApiGroup.make("limits")
  .add(
    HttpApiEndpoint.get("uses", "/", { success: Open, error: usual })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "Who has used how much of what"),
    HttpApiEndpoint.post("take", "/take", {
      payload: Schema.Struct({ user: optional(Text), tool: optional(Text), tokens: optional(Count) }),
      success: Open,
      error: writing,
    })
      .annotate(Needs, "worker")
      .annotate(OpenApi.Summary, "May this be done now?")
      .annotate(
        OpenApi.Description,
        "`allowed`; if not, the `limit`, the `reason` (`exceeded`, or `unreachable`: NATS is) and `retryAfterMillis`. Takes from all that are concerned, or from none.",
      ),
  )
  .prefix("/v1/limits")
  .middleware(Access)
  .annotate(OpenApi.Title, "Limits");

const SqlValue = Schema.NullOr(Schema.Union([Text, Schema.Finite]));
/** One SELECT, WITH, VALUES or EXPLAIN over the views. */
const Statement = Text.check(Schema.isMinLength(1), Schema.isMaxLength(100_000));
/** Values of `:name` by name, or of `?` in their order: texts, numbers, null. */
const SqlParameters = Schema.Union([Schema.Record(Text, SqlValue), Schema.Array(SqlValue)]);

const ReportColumns = Schema.Array(Schema.Struct({ name: Text, unit: Text, doc: Text }));

export const Reports = HttpApiGroup.make("reports")
  .add(
    HttpApiEndpoint.get("list", "/", {
      success: Schema.Struct({ reports: Schema.Array(Open) }),
      error: usual,
    }).annotate(OpenApi.Summary, "What reports there are, with their parts and what they can be grouped by"),
    HttpApiEndpoint.get("read", "/:name", {
      params: { name: Text },
      query: {
        since: optional(sequence),
        until: optional(sequence),
        /** Time zone of days, such as Europe/Berlin; default: the server's. */
        tz: optional(Text.check(Schema.isMaxLength(80))),
        by: optional(Text),
        /** One part; default: all. */
        section: optional(Text),
        limit: optional(numberFrom(1, 10_000)),
        asOf,
      },
      success: Schema.Struct({
        report: Text,
        by: Schema.NullOr(Text),
        sequence: Count,
        sections: Schema.Array(
          Schema.Struct({
            name: Text,
            title: Text,
            doc: Text,
            columns: ReportColumns,
            rows: Schema.Array(Open),
            sql: Text,
          }),
        ),
      }),
      error: named,
    })
      .annotate(OpenApi.Summary, "A report of your tenant: what was used, what it cost, what goes wrong")
      .annotate(
        OpenApi.Description,
        "The JSON of `recollect report NAME --json`. With `accept: text/csv` one part, the first unless `section` names it.",
      ),
  )
  .prefix("/v1/reports")
  .middleware(Access)
  .annotate(OpenApi.Title, "Reports");

export const Sql = HttpApiGroup.make("sql")
  .add(
    HttpApiEndpoint.post("sql", "/v1/sql", {
      payload: Schema.Struct({
        statement: Statement,
        /** 1 to 60; default 30. */
        timeoutSeconds: optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))),
        parameters: optional(SqlParameters),
        /** `masked`: columns that may hold what persons said or did read NULL, and only the public views are there. */
        personal: optional(Schema.Literals(["shown", "masked"])),
      }),
      query: { asOf },
      success: Schema.Array(Open),
      error: writing,
    })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "Ask the read models in SQL")
      .annotate(
        OpenApi.Description,
        "Runs in a process of its own, which is ended at the timeout and when the client goes away. With `accept: application/x-ndjson` one row a line as SQLite finds them, of any number; else one array. The views hold every tenant, so this is for operators.",
      ),
    HttpApiEndpoint.post("asked", "/v1/sql/asked", {
      payload: Schema.Struct({ statement: Statement, parameters: optional(SqlParameters), ...aboutFields }),
      success: [Published.pipe(HttpApiSchema.status(201)), Published.pipe(HttpApiSchema.status(202))],
      error: writing,
    })
      .annotate(Needs, "operator")
      .annotate(OpenApi.Summary, "Record that a statement is asked on the command line")
      .annotate(OpenApi.Description, "`recollect sql` reads the database itself, and says here first what it asks."),
    HttpApiEndpoint.get("views", "/v1/views", { success: Schema.Array(Open), error: usual }).annotate(
      OpenApi.Summary,
      "Every view and column, with what it means",
    ),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "SQL and views");

export const Blobs = HttpApiGroup.make("blobs")
  .add(
    HttpApiEndpoint.post("put", "/v1/blobs", {
      payload: bytes,
      success: Schema.Struct({ sha256: Text, bytes: Count }).pipe(HttpApiSchema.status(201)),
      error: writing,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Keep bytes under their SHA-256"),
    HttpApiEndpoint.get("get", "/v1/blobs/:sha256", { params: sha256, success: bytes, error: named })
      .annotate(OpenApi.Summary, "Bytes by their SHA-256")
      .annotate(OpenApi.Description, "They never change: the answer may be cached for ever."),
    HttpApiEndpoint.get("files", "/v1/threads/:id/files", {
      params: byId,
      query: { asOf },
      success: Open,
      error: named,
    }).annotate(OpenApi.Summary, "Files that a thread has read, in which version"),
    HttpApiEndpoint.post("fileRead", "/v1/threads/:id/files", {
      params: byId,
      query: {
        path: Text,
        modifiedAt: optional(sequence),
        fromLine: optional(sequence),
        toLine: optional(sequence),
        callId: optional(Text),
      },
      payload: bytes,
      success: [Published.pipe(HttpApiSchema.status(201)), Published.pipe(HttpApiSchema.status(202))],
      error: moving,
    })
      .annotate(Needs, "publisher")
      .annotate(OpenApi.Summary, "Record that a thread has read this version of a file"),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Files and blobs");

export const Follow = HttpApiGroup.make("follow")
  .add(
    HttpApiEndpoint.get("follow", "/v1/follow", {
      query: {
        thread: optional(Text),
        task: optional(Text),
        session: optional(Text),
        after: optional(Schema.Union([sequence, Schema.Literal("now")])),
        /** `ag-ui`: one thread as events of AG-UI 1.0, in place of ours. */
        format: optional(Schema.Literals(["events", "ag-ui"])),
        /** Seconds after which the answer ends by itself: for scripts. */
        forSeconds: optional(numberFrom(1, 86_400)),
      },
      headers: { "last-event-id": optional(Text) },
      success: Text.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
      error: usual,
    })
      .annotate(OpenApi.Summary, "What happens: history first, then live")
      .annotate(
        OpenApi.Description,
        "One thread, task or session, or all of the tenant. Server-sent events, or one object a line with `accept: application/x-ndjson`. The id of an event is its sequence: `Last-Event-ID` or `after` goes on behind it, without a gap and without a duplicate. `caughtUp`: what follows is live. `slow`: the client took too long, and what it missed is read from the log.",
      ),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Follow");
