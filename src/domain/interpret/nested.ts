/**
 * Threads of sub-agents whose files say nothing of their parent: their names do, `<parent>/<agent>`.
 *
 * Room: domain.
 */
import type { Fields } from "./describe.ts";

export const parentByName = (threadId: string): Pick<Fields, "parentThreadId" | "relation"> => {
  const end = threadId.lastIndexOf("/");
  return end < 1 ? {} : { parentThreadId: threadId.slice(0, end), relation: "sub-agent" };
};
