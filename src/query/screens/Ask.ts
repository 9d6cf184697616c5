/**
 * Rows of a fixed statement over the public views, for a screen or a report: on one connection, prepared once.
 *
 * Room: query.
 *
 * For statements of our own, which are few and bounded. A person's statements go through `Query.sql`.
 */
import { Context, type Effect } from "effect";
import type { StorageTrouble } from "../../projection/ReadModel.ts";

export type Values = Readonly<Record<string, string | number | null>>;

/** Columns in camel case. The one who asks names their types; a test holds each statement against the views. */
export type Rows = <A>(statement: string, values?: Values) => Effect.Effect<ReadonlyArray<A>, StorageTrouble>;

export class Ask extends Context.Service<Ask, { readonly rows: Rows }>()("recollect/query/Ask") {}
