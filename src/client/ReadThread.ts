/**
 * A thread as a program reads it: plain values, without what only a fold needs.
 *
 * Room: client.
 */
import type { Part } from "../domain/thread/Content.ts";
import type { MessageUsage } from "../domain/Tokens.ts";
import type { Sequence } from "../domain/History.ts";
import { partsOf, type ThreadMessage } from "../domain/thread/ThreadMessage.ts";
import type { ThreadView } from "../publish/thread/ThreadViews.ts";

export interface ReadMessage {
  readonly messageId: string;
  readonly role: string;
  readonly author: string | undefined;
  readonly model: string | undefined;
  /** Text of message and tool results, parts joined by line feeds; thoughts are in `parts` only. */
  readonly text: string;
  readonly parts: ReadonlyArray<Part>;
  /** Time of the message, epoch milliseconds. */
  readonly occurredAt: number;
  /** As its provider says, or ours: `unfinished` while it is being said, `aborted` when it broke off. */
  readonly stopReason: string | undefined;
  /** Tokens that its provider counted for it, in one meaning for all providers; undefined where nothing says so. */
  readonly usage: MessageUsage | undefined;
  /** True where the text is shortened: `messages` gives all of it. */
  readonly isCut: boolean;
}

export interface ReadThread {
  readonly id: string;
  readonly title: string | undefined;
  readonly tags: ReadonlyArray<string>;
  readonly archived: boolean;
  /** Epoch milliseconds; undefined while it is neither. A hidden thread is read with `{ deleted: true }` only. */
  readonly deletedAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** The newest, at most 64 and 64 KiB of them, oldest first. */
  readonly messages: ReadonlyArray<ReadMessage>;
  /** Number of earlier messages: `messages` gives them. */
  readonly omitted: number;
  /** Number of its events that wait in the spool; they are included in the view. */
  readonly waiting: number;
  /** False: the log does not answer, and what it had when it was last read here is shown. */
  readonly isCurrent: boolean;
  /** Stream sequence of the last event that the log has; 0 when it has none. */
  readonly lastSequence: Sequence;
}

export interface ReadThreadOptions {
  /** Sequence of an append, made anywhere, that the answer must hold. */
  readonly atLeast?: number | undefined;
  /** Every message, none cut, in place of the newest. */
  readonly whole?: boolean | undefined;
  /** Also when the thread is deleted or expired. */
  readonly deleted?: boolean | undefined;
}

const textOf = (parts: ReadonlyArray<Part>): string =>
  parts.flatMap((part) => (part.type === "text" || part.type === "tool_result" ? [part.text] : [])).join("\n");

/** Decision: made once for each message, because none changes and a warm read gives 64 of them: 46 µs a read become 18 (busy machine). */
const made = new WeakMap<object, ReadMessage>();

export const readMessage = (message: ThreadMessage & { readonly omitted?: number }): ReadMessage => {
  const known = made.get(message);
  if (known !== undefined) return known;
  const parts = partsOf(message);
  const { author, messageId, model, occurredAt, omitted = 0, role, segments, stopReason, usage } = message;
  const isCut = omitted > 0 || segments.some(({ cut }) => cut === true) || parts.some(({ blob }) => blob != null);
  const read = { messageId, role, author, model, text: textOf(parts), parts, occurredAt, stopReason, usage, isCut };
  made.set(message, read);
  return read;
};

export const readThread = ({ isCurrent, state, waiting }: ThreadView): ReadThread => {
  const { history, lastSequence, metadata, window } = state;
  return {
    id: history.id,
    title: metadata.title,
    tags: metadata.tags,
    archived: metadata.archived,
    deletedAt: metadata.deletedAt,
    expiresAt: metadata.expiresAt,
    messages: window.messages.map(readMessage),
    omitted: window.left.messages,
    waiting,
    isCurrent,
    lastSequence: lastSequence - waiting,
  };
};
