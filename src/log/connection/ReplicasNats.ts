/**
 * The copies of the stream of record: wanted, and present.
 *
 * Room: log.
 */
import { Effect } from "effect";
import type { NatsConnection } from "./NatsConnectionNats.ts";

export interface Replicas {
  /** As the stream is configured; 1 on a single server. */
  readonly wanted: number;
  /** That have all of it now, the leader among them. */
  readonly current: number;
  /** False: nothing can be appended. */
  readonly hasQuorum: boolean;
}

/** Undefined where the server does not say, or has no such stream. */
export const replicasOf = Effect.fnUntraced(function* ({ jsm, stream }: NatsConnection["Service"]) {
  if (stream === undefined) return undefined;
  const info = yield* Effect.option(Effect.tryPromise(() => jsm.streams.info(stream.stream)));
  if (info._tag === "None") return undefined;
  const { cluster, config } = info.value;
  const wanted = config.num_replicas;
  // A server that is in no cluster names neither a leader nor others.
  const isAlone = cluster == null || (wanted === 1 && (cluster.replicas ?? []).length === 0);
  const leading = isAlone || (cluster.leader ?? "") !== "" ? 1 : 0;
  const following = (cluster?.replicas ?? []).filter(({ current, offline }) => current && offline !== true).length;
  const current = leading + following;
  return { wanted, current, hasQuorum: leading === 1 && current > wanted / 2 } satisfies Replicas;
});
