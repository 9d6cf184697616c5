/**
 * The store as a whole over HTTP: status, configuration, limits, views, bytes by their hash.
 *
 * Room: edge.
 */
import { Context, Effect, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { auditSql } from "../../../client/AuditedSql.ts";
import { Configuration } from "../../../coordination/config/Configuration.ts";
import { Limits } from "../../../coordination/limits/Limits.ts";
import { EventLog } from "../../../log/EventLog.ts";
import { Publisher } from "../../../publish/Publisher.ts";
import * as Thread from "../../../publish/thread/ThreadPublisher.ts";
import { Query } from "../../../query/Query.ts";
import { Api } from "../api/Api.ts";
import { mayAct, Principal } from "../Guard.ts";
import { publishedAs, split } from "./About.ts";
import { answer, etagOf, json, orNotThere, reading } from "./Answer.ts";
import { ask } from "./SqlProcess.ts";

/** Status of the daemon: the JSON of `recollect status`. */
export class StoreStatus extends Context.Service<StoreStatus, { readonly now: Effect.Effect<object, unknown> }>()(
  "recollect/edge/http/StoreStatus",
) {}

export const status = HttpApiBuilder.group(Api, "status", (handlers) =>
  handlers.handle("status", () =>
    answer(
      Effect.map(
        Effect.flatMap(StoreStatus, ({ now }) => now),
        (found) => json(found),
      ),
    ),
  ),
);

/** Fields that the caller may see: quotas are of all tenants, whichever tenant's configuration holds them. */
const visible = Effect.map(
  Principal,
  ({ role }) =>
    <A extends { readonly field: string }>(fields: ReadonlyArray<A>): ReadonlyArray<A> =>
      mayAct(role, "operator") ? fields : fields.filter(({ field }) => !field.startsWith("quotas.")),
);

const explained = Effect.fnUntraced(function* (name: string | undefined) {
  const config = yield* Configuration;
  const version = yield* config.version;
  const fields = (yield* visible)(yield* config.explain(name));
  return json({ version, fields }, { headers: { etag: etagOf(version) } });
});

const versions = Effect.gen(function* () {
  const shown = yield* visible;
  const found = yield* Configuration.use(({ history }) => history);
  return json({ versions: found.map((version) => ({ ...version, changes: shown(version.changes) })) });
});

/** Adds the actor of a change: the token's name, whatever else the caller says. */
const by = <A extends object>(given: A) => Effect.map(Principal, ({ name }) => ({ ...given, who: `http/${name}` }));

const fallback = (value: unknown): unknown => (value === null ? undefined : value);

export const config = HttpApiBuilder.group(Api, "config", (handlers) =>
  handlers.handleAll({
    explain: ({ query }) => answer(explained(query.name)),
    history: () => answer(versions),
    diff: ({ query: { from, to } }) =>
      answer(
        Effect.gen(function* () {
          const shown = yield* visible;
          return json({ differences: shown(yield* Configuration.use((found) => found.diff(from, to))) });
        }),
      ),
    set: ({ payload: { changes, ...rest } }) =>
      answer(
        Effect.gen(function* () {
          const wanted = Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, fallback(value)]));
          const said = yield* by(rest);
          return json(yield* Configuration.use((found) => found.set(wanted, said)));
        }),
      ),
    rollback: ({ payload: { to, ...rest } }) =>
      answer(
        Effect.gen(function* () {
          const said = yield* by(rest);
          return json(yield* Configuration.use((found) => found.rollback(to, said)));
        }),
      ),
  }),
);

export const limits = HttpApiBuilder.group(Api, "limits", (handlers) =>
  handlers.handleAll({
    uses: () =>
      answer(
        Effect.map(
          Limits.use(({ uses }) => uses),
          (uses) => json({ uses }),
        ),
      ),
    take: ({ payload }) =>
      answer(
        Effect.gen(function* () {
          const { tenant } = yield* Principal;
          return json(yield* Limits.use((all) => all.take({ ...payload, tenant })));
        }),
      ),
  }),
);

const dictionary = Effect.gen(function* () {
  const { columns, rows } = yield* Query.use((query) => query.sql("SELECT * FROM v_dictionary"));
  const found = yield* Stream.runCollect(rows);
  return json(found.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null]))));
}).pipe(Effect.scoped);

export const sql = HttpApiBuilder.group(Api, "sql", (handlers) =>
  handlers.handleAll({
    sql: ({ payload }) => reading(ask(payload)),
    asked: ({ payload }) =>
      answer(
        Effect.gen(function* () {
          const { about, data } = yield* split(payload);
          return publishedAs(yield* auditSql({ ...data, door: "cli", about, actor: about.actor }));
        }),
      ),
    views: () => answer(dictionary),
  }),
);

const forEver = { "cache-control": "private, max-age=31536000, immutable" };

export const blobs = HttpApiBuilder.group(Api, "blobs", (handlers) =>
  handlers.handleAll({
    put: ({ payload }) =>
      answer(
        Effect.gen(function* () {
          const { tenant } = yield* Principal;
          const { policy } = yield* Publisher;
          const bytes = policy().stored?.bytes(payload) ?? payload;
          return json(yield* EventLog.use((log) => log.putBlob(bytes, tenant)), { status: 201 });
        }),
      ),
    get: ({ params: { sha256 } }) =>
      answer(
        Effect.gen(function* () {
          const found = yield* orNotThere(yield* Publisher.use((all) => all.blob(sha256)), `blob ${sha256}`);
          return HttpServerResponse.uint8Array(found, { headers: { ...forEver, etag: `"${sha256}"` } });
        }),
      ),
    files: ({ params }) =>
      reading(
        Effect.gen(function* () {
          const { tenant } = yield* Principal;
          return json({ files: yield* Query.use((query) => query.files({ threadId: params.id, tenant })) });
        }),
      ),
    fileRead: ({ params, payload, query }) =>
      answer(
        Effect.gen(function* () {
          const { about } = yield* split({});
          const thread = yield* Thread.thread(params.id);
          return publishedAs(yield* thread.fileRead({ ...about, ...query, bytes: payload }));
        }),
      ),
  }),
);
