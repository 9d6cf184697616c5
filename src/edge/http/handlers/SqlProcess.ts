/**
 * SQL over HTTP: in the sandbox, recorded as an audit event, ended when the caller goes away.
 *
 * Room: edge.
 */
import { Effect, Exit, Scope, Stream } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import { auditedSql } from "../../../client/AuditedSql.ts";
import { distinct, type SqlParameters, type Value } from "../../../query/Sql.ts";
import { Principal } from "../Guard.ts";
import { refused } from "../Problem.ts";
import { sqlAtOnce, tooManyStatements } from "../SqlAtOnce.ts";

const usualSeconds = 30;
/** Beyond a statement's time, for the rest of its rows to be read. */
const graceSeconds = 30;
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

interface Asked {
  readonly statement: string;
  readonly timeoutSeconds?: number | undefined;
  readonly parameters?: SqlParameters | undefined;
  readonly personal?: "shown" | "masked" | undefined;
}

const resultOf = Effect.fnUntraced(function* ({
  parameters,
  personal,
  statement,
  timeoutSeconds = usualSeconds,
}: Asked) {
  const { name } = yield* Principal;
  const options = { timeoutMillis: timeoutSeconds * 1000, personal };
  const { columns, rows } = yield* auditedSql({ statement, parameters, options, door: "http", actor: `http/${name}` });
  const names = distinct(columns);
  const objectOf = (row: ReadonlyArray<Value>) =>
    JSON.stringify(Object.fromEntries(names.map((column, at) => [column, plain(row[at] ?? null)])));
  return Stream.map(rows, objectOf);
});

const headers = { "cache-control": "no-store" };

/** One array, whole or not at all. */
const whole = Effect.fnUntraced(function* (asked: Asked) {
  const held = yield* Stream.runFoldEffect(
    Stream.mapArray(yield* resultOf(asked), (batch) => [batch.join(",\n")]),
    () => ({ bytes: 0, pieces: new Array<string>() }),
    (all, piece) => {
      all.pieces.push(piece);
      all.bytes += piece.length;
      return all.bytes > mostBytes ? Effect.fail(tooLarge) : Effect.succeed(all);
    },
  );
  return HttpServerResponse.text(`[${held.pieces.join(",\n")}]`, { contentType: "application/json", headers });
}, Effect.scoped);

/** A row a line, of any number. A failure before the first row is a status; behind it the answer is cut. */
const lines = Effect.fnUntraced(function* (asked: Asked) {
  if (!(yield* sqlAtOnce.takeIfAvailable(1))) return yield* busy;
  const scope = yield* Scope.make();
  yield* Scope.addFinalizer(scope, sqlAtOnce.release(1));
  const end = Scope.close(scope, Exit.void);
  const rows = yield* resultOf(asked).pipe(
    Scope.provide(scope),
    Effect.onError(() => end),
  );
  // An unread answer ends with the time limit of its statement.
  const patience = ((asked.timeoutSeconds ?? usualSeconds) + graceSeconds) * 1000;
  yield* Effect.forkDetach(Effect.delay(end, patience));
  const body = Stream.mapArray(rows, (batch) => [batch.map((row) => `${row}\n`).join("")]).pipe(
    Stream.encodeText,
    Stream.ensuring(end),
  );
  return HttpServerResponse.stream(body, { contentType: "application/x-ndjson", headers });
});

const caught = Effect.catchTags({ QueryRefused: notAnswered, QueryStopped: notAnswered });

export const ask = Effect.fnUntraced(function* (asked: Asked) {
  const request = yield* HttpServerRequest.HttpServerRequest;
  const wantsLines = (request.headers["accept"] ?? "").includes("application/x-ndjson");
  if (wantsLines) return yield* caught(lines(asked));
  const answered = yield* sqlAtOnce.withPermitsIfAvailable(1)(caught(whole(asked)));
  return answered._tag === "Some" ? answered.value : yield* busy;
});
