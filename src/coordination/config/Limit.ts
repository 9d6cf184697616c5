/**
 * A limit: how often something may be done, by whom and at what.
 *
 * Room: coordination.
 */
import { Schema } from "effect";
import { maybe } from "../../domain/thread/Content.ts";

/** Dimension by which a limit counts apart. */
export const Dimension = Schema.Literals(["tenant", "user", "tool"]);
export type Dimension = typeof Dimension.Type;

const day = 86_400_000;

/**
 * `limit` in every `windowMillis`, for each combination of `per` on its own.
 *
 * - `per: []` is one count for all, `["user"]` one for each user, `["user", "tool"]` one for each user and tool
 * - `only` narrows it to what has these values; a request that says nothing of a dimension in `per` or `only` is not
 *   concerned
 */
export const Limit = Schema.Struct({
  per: Schema.Array(Dimension).check(Schema.isMaxLength(3), Schema.isUnique()),
  only: maybe(Schema.Struct({ tenant: maybe(Schema.String), user: maybe(Schema.String), tool: maybe(Schema.String) })),
  /** Tokens, 1 to 1,000,000. */
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })),
  /** 10 ms to 31 days: shorter than a round trip would be no limit, longer than a month is a budget and no rate. */
  windowMillis: Schema.Int.check(Schema.isBetween({ minimum: 10, maximum: 31 * day })),
  /**
   * - `sliding-window` (default): never more than `limit` in any window
   * - `token-bucket`: `limit` at once after a rest, then one every `windowMillis / limit`
   */
  algorithm: maybe(Schema.Literals(["sliding-window", "token-bucket"])),
  /** Policy while NATS is unreachable: `open` (default) counts in each process alone, `closed` refuses. */
  whenAway: maybe(Schema.Literals(["open", "closed"])),
});
export type Limit = typeof Limit.Type;
