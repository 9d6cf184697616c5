/**
 * Values as a model reads them: what is not known is left out, times are minutes, numbers are short.
 *
 * Room: query.
 */
import type { JsonValue } from "../../domain/Json.ts";
import type { ThreadRow } from "../Query.ts";
import type { Value } from "../Sql.ts";

/** A time for a model: minutes, in UTC. */
export const minute = (millis: number | null | undefined): string | undefined =>
  millis === null || millis === undefined || !(Math.abs(millis) < 8.64e15)
    ? undefined
    : `${new Date(millis).toISOString().slice(0, 16)}Z`;

/** An object without what is not known: null and undefined cost tokens and say nothing. */
export const known = <A extends Readonly<Record<string, unknown>>>(fields: A) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    readonly [K in keyof A]: Exclude<A[K], undefined | null>;
  };

/** Title that a thread is known by. */
export const titleOf = ({ opening, title }: Pick<ThreadRow, "title" | "opening">): string | undefined =>
  (title ?? opening ?? undefined)?.replaceAll(/\s+/g, " ").slice(0, 120).toWellFormed();

/** A value in JSON: whole numbers beyond 2^53 as text, bytes as hexadecimal, numbers with nine digits at most. */
export const cellOf = (value: Value | undefined): JsonValue => {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === "number") return Number.isFinite(value) ? Number(value.toPrecision(12)) : String(value);
  return typeof value === "string" ? value : Buffer.from(value).toString("hex");
};
