/**
 * Failures of any screen, as a screen; and screens that are for operators alone.
 *
 * Room: edge.
 */
import { Effect, Layer } from "effect";
import { HttpServerResponse } from "effect/http";
import type { EarlierStores } from "../../query/earlier/EarlierStores.ts";
import type { Query } from "../../query/Query.ts";
import type { Ask } from "../../query/screens/Ask.ts";
import type { StorageTrouble } from "../../projection/ReadModel.ts";
import type { QueryRefused } from "../../query/Sql.ts";
import { asOf } from "../http/AsOf.ts";
import { asked } from "./Asked.ts";
import * as ShownStore from "./ShownStore.ts";
import { trouble } from "./Shown.ts";

type Screen<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, StorageTrouble | QueryRefused, R>;

/** Seconds after which a screen whose record is being folded is asked for again. */
const againSeconds = 5;

/** The screen of the record as it was, where the address or the browser names a moment. */
const ofThen = <R>(screen: Screen<R>) =>
  Effect.gen(function* () {
    const { wishes } = yield* asked;
    if (wishes.asOf === undefined) return yield* screen;
    const { services } = yield* asOf(wishes.asOf);
    const then = Layer.fresh(ShownStore.layer).pipe(Layer.provide(Layer.succeedContext(services)));
    return yield* Effect.provide(screen, then);
  }).pipe(Effect.scoped);

/** Answers 503 where the database is away, 400 where the question is wrong; of the moment that the browser looks at. */
export const guarded = <R>(
  screen: Screen<R>,
): Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  never,
  R | Effect.Services<typeof asked> | EarlierStores | Query | Ask
> =>
  guardedNow(
    Effect.catchTag(ofThen(screen), "NotFoldedYet", ({ hint, message }) =>
      Effect.map(asked, ({ wishes }) =>
        HttpServerResponse.setHeader(
          trouble(wishes, { title: "In a moment", message, hint }, 503),
          "refresh",
          String(againSeconds),
        ),
      ),
    ),
  );

/** The same for a screen that is always of now. */
export const guardedNow = <R>(screen: Screen<R>) =>
  screen.pipe(
    Effect.catchTags({
      StorageTrouble: ({ hint, message }) =>
        Effect.map(asked, ({ wishes }) =>
          trouble(wishes, { title: "The database cannot be read", message, hint }, 503),
        ),
      QueryRefused: ({ hint, message }) =>
        Effect.map(asked, ({ wishes }) => trouble(wishes, { title: "This cannot be asked", message, hint }, 400)),
    }),
  );

/** The same for screens that show the whole store, whose rows belong to all tenants: others are answered 403. */
export const forOperators = <R>(screen: Screen<R>) =>
  Effect.flatMap(asked, ({ viewer, wishes }) =>
    viewer.isOperator
      ? guarded(screen)
      : Effect.succeed(
          trouble(
            wishes,
            {
              title: "For operators",
              message: `${viewer.name} sees tenant ${viewer.tenant ?? ""}, and this screen shows the whole store.`,
              hint: "Sign in as operator: recollect open",
            },
            403,
          ),
        ),
  );
