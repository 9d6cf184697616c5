/**
 * Which transcripts lie on this machine.
 *
 * Room: edge. In: none. Out: cli.
 */
import { Effect } from "effect";
export const discover: Effect.Effect<
  ReadonlyArray<{ readonly path: string; readonly format: string; readonly files: number; readonly bytes: number }>
> = Effect.succeed([]);
