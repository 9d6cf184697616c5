/**
 * Failures of any screen, as a screen; and screens that are for operators alone.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import type { HttpServerResponse } from "effect/http";
import type { StorageTrouble } from "../../projection/ReadModel.ts";
import type { QueryRefused } from "../../query/Sql.ts";
import { asked } from "./Asked.ts";
import { trouble } from "./Shown.ts";

type Screen<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, StorageTrouble | QueryRefused, R>;

/** Answers 503 where the database is away, 400 where the question is wrong. */
export const guarded = <R>(screen: Screen<R>) =>
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
