/**
 * `hand_over`: a brief of a conversation for an agent that goes on with it.
 *
 * Room: edge.
 */
import { threadId } from "../Parameters.ts";
import { handOverOf } from "../HandOver.ts";
import { tool } from "../Tool.ts";

export const handOver = tool({
  name: "hand_over",
  title: "Brief another agent",
  description: `A brief of one conversation for an agent that is to go on with it, or that wants to know how it ended: what was asked first and last, the last answer, the last summary, calls that nobody answered, files that were changed, tools and failures, tasks, related threads, each with its place in the record. It is taken from the record, not written by a model. Use it in place of reading a whole thread.`,
  deed: "read",
  parameters: { thread: threadId },
  handle: ({ thread }, { tokens, who }) => handOverOf({ thread, tenant: who.tenant, tokens }),
});
