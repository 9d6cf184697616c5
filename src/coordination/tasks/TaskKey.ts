/**
 * One open task per deduplication key.
 *
 * Room: coordination.
 *
 * The tasks of a key are a chain by their ids, `<agent type>/<key>#1`, `#2` and so on; only the last of them is open, since
 * the next is submitted when it has ended. Of several who submit the next at the same moment one begins its history.
 *
 * Decision: ids and no index of keys, because an index could be lost or be behind, and then two are open. The last of the
 * chain is found by doubling and halving: 2 log2(n) questions to the log, 20 for the thousandth task of a key.
 */
import { Effect } from "effect";
import { task as historyOf } from "../../domain/History.ts";
import { hasEnded } from "../../domain/task/TaskRecord.ts";
import { type Desk, load } from "./TaskMoves.ts";

/** A slash in the agent type is escaped: `a/b` with the key `c` is not `a` with the key `b/c`. */
const idOf = (agentType: string, key: string, number: number): string =>
  `${agentType.replace(/[%/]/g, encodeURIComponent)}/${key}#${number}`;

/** The task that is open under the key, or the id of the next one. */
export const underKey = Effect.fnUntraced(function* (desk: Desk, agentType: string, key: string) {
  const isThere = (number: number) =>
    Effect.map(desk.log.last(historyOf(idOf(agentType, key, number), desk.tenant)), (event) => event !== undefined);
  let last = 0;
  let beyond = 1;
  while (yield* isThere(beyond)) {
    last = beyond;
    beyond *= 2;
  }
  while (beyond - last > 1) {
    const middle = Math.floor((last + beyond) / 2);
    if (yield* isThere(middle)) last = middle;
    else beyond = middle;
  }
  const taskId = idOf(agentType, key, last);
  const isOpen = last > 0 && !hasEnded(yield* load(desk, taskId));
  return isOpen ? { taskId, isOpen } : { taskId: idOf(agentType, key, last + 1), isOpen };
});

/** The id of the task of a key that follows that one; undefined for an id that is none of a key. */
export const nextOf = (taskId: string): string | undefined => {
  const [, chain, number] = /^(.*)#(\d{1,15})$/s.exec(taskId) ?? [];
  return chain === undefined ? undefined : `${chain}#${Number(number) + 1}`;
};
