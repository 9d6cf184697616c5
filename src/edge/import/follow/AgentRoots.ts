/**
 * The places of all agents on this machine as roots to follow, those that are not there yet included.
 *
 * Room: edge.
 */
import { Effect, Path } from "effect";
import { homes, rootsOf } from "../find/Homes.ts";
import type { FollowRoot } from "./FolderWatch.ts";

export const agentRoots = Effect.gen(function* () {
  const path = yield* Path.Path;
  const found: Array<FollowRoot> = [];
  for (const home of homes)
    for (const root of yield* rootsOf(home))
      for (const folder of home.folders)
        found.push({ path: path.join(root, folder), agent: home.agent, isTranscript: home.isTranscript });
  return found;
});
