/**
 * A statement on the command line as an audit event of the store that runs in its folder.
 *
 * Room: edge.
 *
 * Loaded where one runs, and only there: it needs the client. Where none runs nothing is recorded: whoever may read the
 * folder may read its database by any other means, and a command that spools would make the next one start a store.
 */
import { Effect, Layer } from "effect";
import { auditSql, type AskedSql } from "../../../client/AuditedSql.ts";
import * as Connect from "../../../publish/Connect.ts";
import { where } from "../Flags.ts";
import { user } from "../User.ts";

export const audit = Effect.fnUntraced(function* (asked: AskedSql, tenant: string) {
  const { data, natsUrl } = yield* where;
  const core = Connect.layer({ data, url: natsUrl, tenant, source: "recollect sql", actor: yield* user });
  yield* Effect.scoped(Effect.flatMap(Layer.build(core), (context) => Effect.provideContext(auditSql(asked), context)));
});
