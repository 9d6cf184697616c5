/**
 * SQL over HTTP: in the sandbox, recorded as an audit event, ended when the caller goes away.
 *
 * Room: edge.
 */
import { Effect, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import { auditedSql } from "../../../client/AuditedSql.ts";
import type { Value } from "../../../query/Sql.ts";
import { Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { sqlAtOnce, tooManyStatements } from "../SqlAtOnce.ts";

const usualSeconds = 30;
/** Most bytes of an answer. It is held in memory until it is whole, so that a failure is a status and not a cut. */
const mostBytes = 64 * 1024 * 1024;

const busy = refused({
  status: 429,
  code: "sqlBusy",
  detail: tooManyStatements,
  retryAfter: 1,
});
const tooLarge = refused({
  status: 422,
  code: "queryRefused",
  detail: `The answer is larger than ${mostBytes} bytes.`,
  hint: "Give the statement a LIMIT, or run: recollect sql",
});

const notAnswered = ({ hint, message }: { readonly message: string; readonly hint: string }) =>
  refused({ status: 422, code: "queryRefused", detail: message, hint });

/** JSON has no 64-bit integers and no bytes: what does not fit a number is text, bytes are hexadecimal. */
const plain = (value: Value): unknown => {
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};

const run = Effect.fnUntraced(function* (statement: string, seconds: number) {
  const { name } = yield* Principal;
  const options = { timeoutMillis: seconds * 1000 };
  const { columns, rows } = yield* auditedSql({ statement, options, door: "http", actor: `http/${name}` });
  const objectOf = (row: ReadonlyArray<Value>) =>
    JSON.stringify(Object.fromEntries(columns.map((column, at) => [column, plain(row[at] ?? null)])));
  const held = yield* Stream.runFoldEffect(
    Stream.mapArray(rows, (batch) => [batch.map(objectOf).join(",\n")]),
    () => ({ bytes: 0, pieces: new Array<string>() }),
    (all, piece) => {
      all.pieces.push(piece);
      all.bytes += piece.length;
      return all.bytes > mostBytes ? Effect.fail(tooLarge) : Effect.succeed(all);
    },
  );
  const headers = { "cache-control": "no-store" };
  return HttpServerResponse.text(`[${held.pieces.join(",\n")}]`, { contentType: "application/json", headers });
}, Effect.scoped);

export const ask = Effect.fnUntraced(function* (asked: {
  readonly statement: string;
  readonly timeoutSeconds?: number | undefined;
}) {
  const answered = yield* sqlAtOnce.withPermitsIfAvailable(1)(
    run(asked.statement, asked.timeoutSeconds ?? usualSeconds).pipe(
      Effect.catchTags({ QueryRefused: notAnswered, QueryStopped: notAnswered }),
    ),
  );
  return answered._tag === "Some" ? answered.value : yield* busy;
});
