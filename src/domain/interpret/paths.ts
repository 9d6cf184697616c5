/**
 * The way a conversation took: what follows what, and where it was taken up again at an earlier point.
 *
 * Room: domain.
 *
 * Formats that write a tree (every line names the one before it) show an edit, a rewind or another try as a line whose
 * parent is not the end of what was said last. From there on a new path begins; the one whose lines are latest in time
 * is the current one, whatever the order in the file. In the carry are the last turn and the lines after it (`tail`):
 * an older parent is a way back. Tools' results follow the call that asked for them and never begin a path.
 */
import { createHash } from "node:crypto";
import type { Fact } from "../Fact.ts";
import { countAt, isObject, numberAt } from "../Json.ts";
import { jsonBytes } from "../Truncate.ts";
import type { Carry } from "./Interpreter.ts";
import { type Pair, pairsAt } from "./memory.ts";

/** Lines after the last turn that may be answered: notices and results of tools come in dozens. */
const longestTail = 24;
/** Longest ids that are remembered, in UTF-16 units. A longer line is known by its digest, a longer message by its line. */
const longestLine = 40;
const longestMessage = 60;

const lineName = (id: string): string =>
  id.length <= longestLine && jsonBytes(id) <= longestLine + 2
    ? id
    : createHash("sha256").update(id, "utf16le").digest("hex").slice(0, 24);

/** Message of lines before any: a hook's notice at the start of a session. */
const none = "-";

const messageName = (id: string | undefined): string => {
  if (id === undefined) return none;
  return id.length <= longestMessage && jsonBytes(id) <= longestMessage + 2 ? id : "";
};

interface Step {
  /** The line's id, and the message it is or belongs to; a notice belongs to the one before it. */
  readonly lineId: string;
  readonly messageId?: string | undefined;
  readonly parentId: string | undefined;
  readonly at: number | undefined;
  /** True when it may begin a path: words of a person or a model. */
  readonly isTurn: boolean;
  /** A notice that is never gone back to, such as the progress of a tool: there are many. */
  readonly isPassing?: boolean;
}

interface Followed {
  readonly carry: Carry;
  /** Undefined on the first path. */
  readonly path: number | undefined;
  /** The message before it; a line's id where the line is too far back to be known here. */
  readonly parentMessageId: string | undefined;
}

/** Goes on with one line. Adds facts when a path begins, becomes the current one, or a line is no message's id. */
export const follow = (facts: Array<Fact>, carry: Carry, step: Step): Followed => {
  const way: Carry = isObject(carry["way"]) ? carry["way"] : {};
  const tail = pairsAt(way, "tail");
  const parent = step.parentId === undefined ? undefined : lineName(step.parentId);
  const known = tail.findLast(([id]) => id === parent)?.[1];
  const latest = numberAt(way, "latest") ?? 0;
  const isLatest = step.at === undefined || step.at >= latest;
  let path = countAt(way, "path") ?? 0;
  let last = countAt(way, "last") ?? 0;
  let current = countAt(way, "current") ?? 0;
  // Where no line has named another yet, one that names none says nothing.
  const isLinked = way["linked"] === true;
  const begins = step.isTurn && tail.length > 0 && known === undefined && (parent !== undefined || isLinked);
  if (begins) path = ++last;
  const moves = step.isTurn && isLatest && current !== path;
  if (moves) current = path;
  if (begins) facts.push({ _tag: "PathTaken", path, from: step.parentId, isCurrent: current === path });
  else if (moves) facts.push({ _tag: "PathTaken", path, isCurrent: true });
  const before = known ?? tail.at(-1)?.[1];
  const messageId = step.messageId ?? (before === none ? undefined : before);
  if (
    messageId !== undefined &&
    messageId !== "" &&
    step.isPassing !== true &&
    (step.lineId !== messageId || step.isTurn)
  )
    facts.push({ _tag: "LineKnown", lineId: step.lineId, messageId });
  const entry: Pair = [lineName(step.lineId), messageName(messageId)];
  const grown = step.isTurn ? [entry] : [...tail, entry];
  const kept = grown.length > longestTail ? [...grown.slice(0, 1), ...grown.slice(1 - longestTail)] : grown;
  const follows = known === none ? undefined : known;
  const parentMessageId = known === undefined || known === "" ? step.parentId : follows;
  return {
    carry: {
      ...carry,
      way: {
        tail: kept,
        path,
        last,
        current,
        latest: isLatest ? (step.at ?? latest) : latest,
        ...(isLinked || known !== undefined ? { linked: true } : {}),
      },
    },
    path: path === 0 ? undefined : path,
    parentMessageId: parentMessageId === step.messageId ? undefined : parentMessageId,
  };
};

/** A format that says itself that it goes back: everything from a message on, or after it, is left. */
export const goBack = (
  facts: Array<Fact>,
  carry: Carry,
  { from, isInclusive }: { readonly from: string | undefined; readonly isInclusive: boolean },
): Carry => {
  const path = pathOf(carry) ?? 0;
  const last = countAt(carry["way"], "last") ?? path;
  facts.push({ _tag: "PathTaken", path: last + 1, from, isInclusive, isCurrent: true });
  return { ...carry, way: { path: last + 1, last: last + 1, current: last + 1 } };
};

/** The path that is being taken; undefined on the first one. */
export const pathOf = (carry: Carry): number | undefined => {
  const path = countAt(carry["way"], "path");
  return path === 0 ? undefined : path;
};
