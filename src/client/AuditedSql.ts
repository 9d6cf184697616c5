/**
 * SQL of anybody as an audit event: who asked what through which door, recorded before the first row is given.
 *
 * Room: client.
 *
 * The event is `x.recollect.sql_asked` in the history of the source `sql`. Its statement passes the storage policy like any
 * other text, so a secret in it is a mark. Fails, and answers nothing, where the event is neither in the log nor spooled.
 */
import { Effect, type Scope } from "effect";
import { source } from "../domain/History.ts";
import { cutText } from "../domain/secret/CutText.ts";
import type { StorageTrouble } from "../projection/ReadModel.ts";
import { Publisher, type PublishError } from "../publish/Publisher.ts";
import type { About } from "../publish/write/NewEvent.ts";
import { Query } from "../query/Query.ts";
import type { QueryRefused, QueryStopped, SqlOptions, SqlParameters, SqlResult } from "../query/Sql.ts";
import { recordedParameters } from "./RecordedSql.ts";

export interface AskedSql {
  readonly statement: string;
  readonly parameters?: SqlParameters | undefined;
  readonly options?: SqlOptions | undefined;
  /** Door that it was asked at: `cli`, `http`, `mcp`, `page`. */
  readonly door: string;
  /** Actor; absent: as the publisher says of its events. */
  readonly actor?: string | undefined;
  /** Further properties of the event, such as its id. */
  readonly about?: About | undefined;
}

/** Characters of a statement that are recorded; its length says whether that is all. */
const mostRecorded = 20_000;

/** Records that it is asked. */
export const auditSql = Effect.fn("client.auditSql")(function* (asked: AskedSql) {
  const publisher = yield* Publisher;
  const { about, actor, door, options = {}, parameters = [], statement } = asked;
  return yield* publisher.publish({
    ...about,
    history: source("sql", publisher.tenant),
    type: "x.recollect.sql_asked",
    ...(actor === undefined ? {} : { actor }),
    data: {
      door,
      // A cut text is redacted when it is published, and half a secret would not be recognised there.
      statement: cutText(statement, mostRecorded),
      characters: statement.length,
      parameters: recordedParameters(parameters),
      personal: options.personal ?? "shown",
    },
  });
});

/** Records it, then asks. */
export const auditedSql = (
  asked: AskedSql,
): Effect.Effect<
  SqlResult,
  PublishError | QueryRefused | QueryStopped | StorageTrouble,
  Publisher | Query | Scope.Scope
> =>
  Effect.andThen(
    auditSql(asked),
    Query.use((query) => query.sql(asked.statement, asked.parameters ?? [], asked.options ?? {})),
  );
