/**
 * From an effect on the store's services to an answer: the tenant's client provided, every expected failure a problem.
 *
 * Room: edge.
 *
 * A failure leaves as a response and not as an error of the endpoint, because Effect encodes those without headers of
 * their own, and `Retry-After` is one.
 */
import { Context, Effect, type Scope } from "effect";
import { HttpServerRequest, HttpServerResponse } from "effect/http";
import type { EarlierStores } from "../../../query/earlier/EarlierStores.ts";
import { isQuota } from "../../../log/EventLog.ts";
import { queryOf } from "../Address.ts";
import { asOf } from "../AsOf.ts";
import { Principal } from "../Guard.ts";
import { type Problem, refused, Refused, toResponse } from "../Problem.ts";
import { shownAnswer } from "./ShownAnswer.ts";
import { type Client, TenantClients } from "../TenantClients.ts";

/** Status, and seconds after which the same request may succeed. */
type Kind = readonly [status: number, retryAfter?: number];

/** Every tagged error that a service fails with, whatever it is about. Any other is a fault of ours. */
const kinds: Readonly<Record<string, Kind>> = {
  InvalidEvent: [422],
  AppendRefused: [422],
  InvalidTask: [422],
  InboxRefused: [422],
  ConfigRefused: [422],
  LimitRefused: [422],
  QueryRefused: [400],
  WatchRefused: [400],
  SequenceConflict: [409],
  IllegalTransition: [409],
  LeaseLost: [409],
  CannotRetry: [409],
  SessionRefused: [409],
  ConfigConflict: [409],
  TaskNotFound: [404],
  NoSuchMessage: [404],
  NoSuchVersion: [404],
  InboxFull: [429, 1],
  NotAccepted: [503, 5],
  LogUnavailable: [503, 1],
  AccessDenied: [503, 30],
  ThreadBehind: [503, 1],
  InboxUnavailable: [503, 1],
  PresenceUnavailable: [503, 1],
  BucketUnavailable: [503, 1],
  BucketRefused: [503, 5],
  StorageTrouble: [503, 1],
  NotFoldedYet: [503, 5],
  NoReply: [504],
  LogDamaged: [500],
};

/** A quota of the tenant, for machines: its sentence says the same. */
const overQuota = (retryAfterMillis: unknown): Kind =>
  typeof retryAfterMillis === "number" ? [429, retryAfterMillis / 1_000] : [429];

/** The same id stands for another event already. */
const taken: Kind = [409];

interface Tagged {
  readonly _tag: string;
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly hint?: unknown;
  readonly permission?: unknown;
  readonly expected?: unknown;
  readonly actual?: unknown;
  readonly retryAfterMillis?: unknown;
  readonly takenId?: unknown;
}

const text = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

const codeOf = (tag: string): string => `${tag.charAt(0).toLowerCase()}${tag.slice(1)}`;

/** The problem that an error of the store is; undefined for a fault. */
export const problemOf = (error: unknown): Problem | undefined => {
  if (error instanceof Refused) return error;
  if (typeof error !== "object" || error === null || !("_tag" in error)) return undefined;
  const { _tag, actual, expected, hint, message, permission, reason, retryAfterMillis, takenId } = error as Tagged;
  const kind = kinds[_tag];
  if (kind === undefined) return undefined;
  const isOverQuota = _tag === "AccessDenied" && isQuota(text(permission) ?? "");
  const isTaken = _tag === "AppendRefused" && takenId !== undefined;
  const [status, retryAfter] = isOverQuota ? overQuota(retryAfterMillis) : isTaken ? taken : kind;
  const more = _tag === "SequenceConflict" ? { expected, ...(actual === undefined ? {} : { actual }) } : undefined;
  const detail = text(message) ?? text(reason) ?? `${_tag}.`;
  const code = isOverQuota ? "quota" : isTaken ? "idTaken" : codeOf(_tag);
  return { status, code, detail, hint: text(hint), retryAfter, more };
};

/** A failure of the store as a problem; any other failure is a defect. */
export const orProblem = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(
    Effect.catch((error) => {
      const problem = problemOf(error);
      return problem === undefined ? Effect.die(error) : Effect.succeed(toResponse(problem));
    }),
  );

const asOfNow = refused({
  status: 400,
  code: "asOf",
  detail: "This address answers as of now.",
  hint: "Lists, search, reports and SQL take asOf; a thread as it was: /v1/threads/ID/messages?asOf=…",
});

const answered = <A, E, R>(effect: Effect.Effect<A, E, R>, isReading: boolean) =>
  orProblem(
    Effect.gen(function* () {
      const { tenant } = yield* Principal;
      const { url } = yield* HttpServerRequest.HttpServerRequest;
      const then = queryOf(url).get("asOf");
      if (then !== null && !isReading) return yield* asOfNow;
      // The client is in use until the answer is sent, which of a stream is long after this.
      const client = yield* (yield* TenantClients).of(tenant);
      const services = then === null ? client : Context.merge(client, (yield* asOf(then)).services);
      return yield* Effect.provideContext(Effect.flatMap(effect, shownAnswer), services);
    }),
  );

type Answering<A, R, Needs = never> = Effect.Effect<
  A | HttpServerResponse.HttpServerResponse,
  never,
  Exclude<R, Client> | HttpServerRequest.HttpServerRequest | Principal | TenantClients | Scope.Scope | Needs
>;

/** Answers with what an effect on a tenant's client gives, or with the problem that it fails with. */
export const answer = <A, E, R>(effect: Effect.Effect<A, E, R>) => answered(effect, false) as Answering<A, R>;

/** The same where the tenant's client is among the services already, of a request that asks as of now. */
export const hotAnswer = <R>(effect: Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, R>) =>
  orProblem(Effect.flatMap(effect, shownAnswer));

/** The same for what asks the read models alone: with `asOf` in the address those of then. */
export const reading = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  answered(effect, true) as Answering<A, R, EarlierStores>;

/** JSON as it is, where no Schema has to look at what our own code has made. */
export const json = (
  value: unknown,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify(value), {
    status: options.status ?? 200,
    contentType: "application/json",
    headers: { "cache-control": "no-cache", ...options.headers },
  });

/** The sequence in an ETag of ours: `"42"`; undefined for any other. */
export const sequenceIn = (etag: string | undefined): number | undefined => {
  const [, digits] = /^"(\d{1,16})"$/.exec(etag?.trim() ?? "") ?? [];
  return digits === undefined ? undefined : Number(digits);
};

export const etagOf = (sequence: number): string => `"${sequence}"`;

/** True when a client has this already (`If-None-Match`). */
export const isKnown = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);

export const notModified = (etag: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({ status: 304, headers: { etag, "cache-control": "no-cache" } });

export const notThere = (what: string, hint?: string): Refused =>
  new Refused({ status: 404, code: "notFound", detail: `There is no ${what}.`, hint });

/** The found value, or 404. */
export const orNotThere = <A>(found: A | undefined, what: string) =>
  found === undefined ? Effect.fail(notThere(what)) : Effect.succeed(found);

/** Without what is undefined, so that optional fields are absent. */
export const given = <A extends object>(fields: A): { readonly [K in keyof A]?: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
