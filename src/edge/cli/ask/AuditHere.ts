/**
 * A statement as an audit event by a client of this process: where no daemon takes it.
 *
 * Room: edge.
 *
 * Loaded then, and only then: it needs the client.
 */
import { Effect, Layer } from "effect";
import { auditSql, type AskedSql } from "../../../client/AuditedSql.ts";
import { defaultTenant } from "../../../domain/History.ts";
import * as Connect from "../../../publish/Connect.ts";
import { where } from "../Flags.ts";

export const auditHere = Effect.fnUntraced(function* (asked: AskedSql) {
  const { data, natsUrl } = yield* where;
  const core = Connect.layer({ data, url: natsUrl, tenant: defaultTenant, source: asked.about?.source });
  yield* Effect.scoped(Effect.flatMap(Layer.build(core), (context) => Effect.provideContext(auditSql(asked), context)));
});
