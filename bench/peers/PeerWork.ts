/** What a peer is asked to do. A peer that breaks down spoils its row and is no fault of ours. */
import { Effect } from "effect";
import { PeerMissing } from "./PeerProgram.ts";

export const peerDoes = <A>(work: () => Promise<A>): Effect.Effect<A, PeerMissing> =>
  Effect.tryPromise({
    try: work,
    catch: (error) => new PeerMissing({ message: `the peer failed: ${String(error)}` }),
  });
