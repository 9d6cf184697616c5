/**
 * The read models of earlier moments, for processes that are asked for them again and again.
 *
 * Room: query.
 *
 * Promises: what is asked of them is what would have been answered then (`projection/AsOf`); the process that asks goes on
 * meanwhile; no caller waits for longer than `patienceMillis`, while the fold goes on for the next one; at most
 * `mostKept` are kept, none for longer than `keptMillis` after its last use.
 */
import { Context, type Effect, Schema, type Scope } from "effect";
import type { Sequence } from "../../domain/History.ts";
import type { Moment, NoSuchMoment } from "../../projection/AsOf.ts";
import type { StorageTrouble } from "../../projection/ReadModel.ts";
import type { Query } from "../Query.ts";
import type { Ask } from "../screens/Ask.ts";

export const mostKept = 2;
export const keptMillis = 600_000;
export const patienceMillis = 20_000;

/** The database of that moment, or another one, is still being made: ask again. */
export class NotFoldedYet extends Schema.TaggedError<NotFoldedYet>()("NotFoldedYet", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export interface Earlier {
  /** The last sequence in it. */
  readonly sequence: Sequence;
  readonly services: Context.Context<Query | Ask>;
}

export class EarlierStores extends Context.Service<
  EarlierStores,
  {
    /** The read models as of a moment, while the scope is open. */
    readonly at: (moment: Moment) => Effect.Effect<Earlier, NoSuchMoment | NotFoldedYet | StorageTrouble, Scope.Scope>;
  }
>()("recollect/query/EarlierStores") {}
