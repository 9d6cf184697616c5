/**
 * The store as the page may show it: questions whose answers have no secrets.
 *
 * Room: edge.
 *
 * Every screen, its CSV and its stream of news asks through here, so that none of them has to think of it.
 */
import { Effect, Layer } from "effect";
import { shown, shownQuery } from "../../client/Shown.ts";
import { Query } from "../../query/Query.ts";
import { Ask } from "../../query/screens/Ask.ts";

const query = Layer.effect(
  Query,
  Effect.gen(function* () {
    return shownQuery(yield* Query, yield* shown());
  }),
);

const ask = Layer.effect(
  Ask,
  Effect.gen(function* () {
    const { rows } = yield* Ask;
    const { value } = yield* shown();
    return Ask.of({
      rows: (statement, values) => Effect.map(rows(statement, values), (found) => value(found) as never),
    });
  }),
);

export const layer = Layer.merge(query, ask);
