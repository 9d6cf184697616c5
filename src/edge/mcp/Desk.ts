/**
 * The base of the tools: questions to the read models, and the client's ways to write, each made when first needed.
 *
 * Room: edge.
 *
 * A server of a coding agent starts with it and may never be asked; and one that cannot be asked now still answers, with
 * the reason.
 */
import { Context, Effect, Layer, type Scope, Semaphore } from "effect";
import { shown, shownQuery, type Shown } from "../../client/Shown.ts";
import type { Tasks } from "../../coordination/tasks/Tasks.ts";
import type { HistoryReading } from "../../publish/HistoryReading.ts";
import type { Publisher } from "../../publish/Publisher.ts";
import type { ThreadViews } from "../../publish/thread/ThreadViews.ts";
import { EarlierStores } from "../../query/earlier/EarlierStores.ts";
import { Query } from "../../query/Query.ts";
import { asOf } from "../http/AsOf.ts";

/** Anything that can stand in the way: its message is a sentence, its hint says what to do. */
export interface Obstacle {
  readonly _tag: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Services that write, and those that read with them. */
export type Writing = Publisher | ThreadViews | HistoryReading | Tasks;

export class Desk extends Context.Service<
  Desk,
  {
    /** Limits on what is shown of an answer. */
    readonly shown: Shown;
    /** Questions whose answers may be shown: texts are redacted before a budget cuts them. */
    readonly query: Effect.Effect<Query["Service"], Obstacle>;
    readonly writing: Effect.Effect<Context.Context<Writing>, Obstacle>;
    /** The store as of a sequence or a time, as it is written. */
    readonly asOf: (written: string) => Effect.Effect<Query["Service"], Obstacle, Scope.Scope>;
    /** True where `query` is of an earlier moment: nothing newer is told beside it. */
    readonly isEarlier?: boolean;
  }
>()("recollect/edge/mcp/Desk") {}

const earlier = (stores: Effect.Effect<EarlierStores["Service"], Obstacle>, how: Shown) =>
  Effect.fnUntraced(
    function* (written: string) {
      const { services } = yield* Effect.provideService(asOf(written), EarlierStores, yield* stores);
      return shownQuery(Context.get(services, Query), how);
    },
    Effect.mapError((error): Obstacle => error),
  );

/** Services that are there already. */
export const of = (services: Context.Context<Query | Writing>, stores: EarlierStores["Service"]) =>
  Effect.map(Effect.provideContext(shown(), services), (how) =>
    Desk.of({
      asOf: earlier(Effect.succeed(stores), how),
      shown: how,
      query: Effect.succeed(shownQuery(Context.get(services, Query), how)),
      writing: Effect.succeed(services),
    }),
  );

/** Made once, at the first use; a failure is told, and tried again by the next. Ends with the scope. */
const lazily = Effect.fnUntraced(function* <A, E extends Obstacle>(made: Layer.Layer<A, E>) {
  const scope = yield* Effect.scope;
  const memo = yield* Layer.makeMemoMap;
  let known: Context.Context<A> | undefined;
  const semaphore = yield* Semaphore.make(1);
  const make = Effect.suspend(() =>
    known !== undefined
      ? Effect.succeed(known)
      : Effect.tap(Layer.buildWithMemoMap(made, memo, scope), (context) => Effect.sync(() => (known = context))),
  );
  return Effect.mapError(semaphore.withPermits(1)(make), (error): Obstacle => error);
});

/** Services that are made when first needed. `raw`: secrets are shown as they are stored. */
export const layerLazy = (options: {
  readonly raw?: boolean;
  readonly query: Layer.Layer<Query, Obstacle>;
  readonly writing: Layer.Layer<Writing, Obstacle>;
  readonly earlier: Layer.Layer<EarlierStores, Obstacle>;
}) =>
  Layer.effect(
    Desk,
    Effect.gen(function* () {
      const query = yield* lazily(options.query);
      const writing = yield* lazily(options.writing);
      const how = yield* shown(options);
      const its = Effect.map(query, (context) => shownQuery(Context.get(context, Query), how));
      const stores = Effect.map(yield* lazily(options.earlier), (context) => Context.get(context, EarlierStores));
      return Desk.of({ shown: how, query: its, writing, asOf: earlier(stores, how) });
    }),
  );
