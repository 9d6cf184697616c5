/**
 * OpenAI Agents SDK for JavaScript: a `Session` on a thread, with history transactions.
 *
 * Room: edge.
 *
 * Each item is an event of the format `openai-agents`; what the session holds now is a list of them, so that what was popped,
 * cleared or compacted away stays in the log, and is found by search. Read from @openai/agents-core 0.20.0.
 */
import { isDeepStrictEqual } from "node:util";
import type { AppendedEvent, EventFold, Histories } from "./Client.ts";
import { decideOrKeep, newId } from "./Appending.ts";
import { inOrder } from "./InOrder.ts";
import { added, kept, type Listed, none, toArray } from "./Listed.ts";
import { SdkRefused } from "./SdkRefused.ts";
import { digestOf, plain, type Stored, stored, storedValue, textOf } from "./StoredValue.ts";

export { SdkRefused } from "./SdkRefused.ts";

export type HistoryTransaction<Item> =
  | { type: "append_items"; items: Array<Item> }
  | { type: "replace_suffix"; expectedSuffix: Array<Item>; replacement: Array<Item> };

export interface HistoryMutation<Item> {
  type: "replace_function_call";
  callId: string;
  replacement: Item;
}

/** `Session` of the SDK with its optional capabilities; `Item` is its `AgentInputItem`. */
export interface RecollectSession<Item> {
  getSessionId(): Promise<string>;
  /** All items in order, or the newest so many. Rejects with `LogUnavailable` while the log is unreachable. */
  getItems(limit?: number): Promise<Array<Item>>;
  /** Durable when it resolves, all or none: in the log, or with the log unreachable on this machine. */
  addItems(items: Array<Item>): Promise<void>;
  popItem(): Promise<Item | undefined>;
  clearSession(): Promise<void>;
  /**
   * Once per `operationId`, whoever repeats it. Rejects with `SdkRefused`, code `Conflict`, when the id stands for another
   * transaction or the suffix is another one; with `LogUnavailable` nothing has changed, and the same call is safe.
   */
  applyHistoryTransaction(args: { operationId: string; transaction: HistoryTransaction<Item> }): Promise<void>;
  applyHistoryMutations(args: { mutations: Array<HistoryMutation<Item>> }): Promise<void>;
  replaceHistoryWithCompaction(items: Array<Item>): Promise<void>;
}

const format = "openai-agents";
const arranged = "x.openai_agents.arranged";
const cleared = "x.openai_agents.cleared";
const rewritten = "x.openai_agents.rewritten";

/** Items that are held now, by their numbers among all that were ever added. */
interface Arrangement {
  /** So many of the newest are left out, then these are added. */
  readonly drop: number;
  readonly take: ReadonlyArray<number>;
  /** So many of the entries that follow are among `take`. */
  readonly fresh: number;
  readonly operationId?: string;
  readonly digest?: string;
}

interface Rewriting {
  readonly mutations: ReadonlyArray<{ readonly callId: string; readonly replacement: unknown }>;
}

interface Items {
  readonly all: Listed<Stored>;
  readonly now: Listed<number>;
  readonly fresh: number;
  readonly clears: number;
  /** Digest of the transaction by operation id, since the last clearing. Shared by all states: one that was applied stays. */
  readonly applied: Map<string, string> | undefined;
}

const operationKey = (clears: number, operationId: string): string => `${clears} ${operationId}`;

const isCall = (item: Stored, callId: string): boolean => {
  const { callId: own, type } = (item.entry ?? {}) as { readonly callId?: unknown; readonly type?: unknown };
  return type === "function_call" && own === callId;
};

/** The first call of that id becomes the replacement, later ones go. */
const rewrittenBy = (state: Items, { mutations }: Rewriting): Items =>
  mutations.reduce((items, { callId, replacement }) => {
    const all = added(items.all, { entry: replacement });
    let isReplaced = false;
    const now = toArray(items.now).flatMap((at) => {
      const item = items.all.items[at];
      if (item === undefined || !isCall(item, callId)) return [at];
      if (isReplaced) return [];
      isReplaced = true;
      return [all.length - 1];
    });
    return { ...items, all, now: { items: now, length: now.length } };
  }, state);

const arrangedBy = (state: Items, { digest, drop, fresh, operationId, take }: Arrangement): Items => {
  const applied = state.applied ?? new Map<string, string>();
  if (operationId !== undefined) applied.set(operationKey(state.clears, operationId), digest ?? "");
  const now = take.reduce(added<number>, kept(state.now, state.now.length - drop));
  return { ...state, applied, now, fresh };
};

const items: EventFold<Items> = {
  initial: { all: none, now: none, fresh: 0, clears: 0, applied: undefined },
  apply: (state, { data, type }) => {
    if (type === arranged) return arrangedBy(state, data as Arrangement);
    if (type === cleared) return { ...state, now: none, fresh: 0, clears: state.clears + 1 };
    if (type === rewritten) return rewrittenBy(state, data as Rewriting);
    if (type !== "thread.entry_recorded" || (data as { readonly format: string }).format !== format) return state;
    const { blob, entry } = data as Stored;
    const all = added(state.all, blob == null ? { entry } : { blob });
    if (state.fresh > 0) return { ...state, all, fresh: state.fresh - 1 };
    return { ...state, all, now: added(state.now, state.all.length) };
  },
};

const isSame = (one: Stored | undefined, other: Stored): boolean =>
  one !== undefined &&
  isDeepStrictEqual({ entry: one.entry, at: one.blob?.sha256 }, { entry: other.entry, at: other.blob?.sha256 });

const entryOf = (value: Stored, blobs: AppendedEvent["blobs"]): AppendedEvent => ({
  id: newId(),
  type: "thread.entry_recorded",
  data: { format, ...value },
  blobs,
  source: "openai-agents",
});

/** Puts items in the place of the newest `drop`: those of them that are there are kept, and not written again. */
const replacing = (
  state: Items,
  drop: number,
  replacement: ReadonlyArray<unknown>,
  about: Pick<Arrangement, "operationId" | "digest"> = {},
): ReadonlyArray<AppendedEvent> => {
  const free = toArray(state.now).slice(state.now.length - drop);
  const entries: Array<AppendedEvent> = [];
  const take = replacement.map((item) => {
    const { blobs, value } = stored(textOf(item));
    const at = free.findIndex((index) => isSame(state.all.items[index], value));
    if (at >= 0) return free.splice(at, 1)[0] ?? 0;
    entries.push(entryOf(value, blobs));
    return state.all.length + entries.length - 1;
  });
  const data: Arrangement = { drop, take, fresh: entries.length, ...about };
  return [{ id: newId(), type: arranged, data }, ...entries];
};

const conflict = (message: string) =>
  new SdkRefused(
    "Conflict",
    message,
    "Read the items again, and make a new transaction with an operation id of its own.",
  );

/** A session of the OpenAI Agents SDK: `run(agent, input, { session })`. Several processes may share one. */
export const session = <Item = unknown>(recollect: Histories, sessionId: string): RecollectSession<Item> => {
  const history = recollect.history({ thread: sessionId });
  const ordered = inOrder();
  const change = (choose: (state: Items) => ReadonlyArray<AppendedEvent>): Promise<void> =>
    ordered("", () => history.decide(items, choose)).then(() => undefined);
  const valueAt = async (state: Items, at: number): Promise<Item> => {
    const item = state.all.items[at];
    return (item === undefined ? undefined : await storedValue(history, item)) as Item;
  };

  return {
    getSessionId: async () => history.id,
    getItems: async (limit) => {
      const { state } = await history.folded(items);
      const from = limit === undefined ? 0 : Math.max(0, state.now.length - Math.max(0, limit));
      return Promise.all(
        toArray(state.now)
          .slice(from)
          .map((at) => valueAt(state, at)),
      );
    },
    addItems: async (given) => {
      if (given.length === 0) return;
      const entries = given.map((item) => stored(textOf(item))).map(({ blobs, value }) => entryOf(value, blobs));
      await ordered("", () => decideOrKeep(history, items, () => entries));
    },
    popItem: async () => {
      let before: Items = items.initial;
      await change((state) => {
        before = state;
        return state.now.length === 0 ? [] : replacing(state, 1, []);
      });
      const last = before.now.items[before.now.length - 1];
      return last === undefined ? undefined : valueAt(before, last);
    },
    clearSession: () => change(() => [{ id: newId(), type: cleared, data: {} }]),
    applyHistoryTransaction: async ({ operationId, transaction }) => {
      if (operationId.trim() === "")
        throw new SdkRefused(
          "Invalid",
          "The operation id is empty.",
          "Give it one that stays the same when it is retried.",
        );
      const digest = digestOf(textOf(sorted(plain(transaction))));
      await change((state) => {
        const known = state.applied?.get(operationKey(state.clears, operationId));
        if (known === digest) return [];
        if (known !== undefined) throw conflict(`The operation ${operationId} was another transaction.`);
        if (transaction.type === "append_items") return replacing(state, 0, transaction.items, { operationId, digest });
        const { expectedSuffix, replacement } = transaction;
        const suffix = toArray(state.now).slice(Math.max(0, state.now.length - expectedSuffix.length));
        const isThere =
          suffix.length === expectedSuffix.length &&
          expectedSuffix.every((item, at) => isSame(state.all.items[suffix[at] ?? -1], stored(textOf(item)).value));
        if (!isThere) throw conflict(`The newest items of ${history.id} are not those that were to be replaced.`);
        return replacing(state, suffix.length, replacement, { operationId, digest });
      });
    },
    applyHistoryMutations: async ({ mutations }) => {
      if (mutations.length === 0) return;
      const data = {
        mutations: mutations.map(({ callId, replacement }) => ({ callId, replacement: plain(replacement) })),
      };
      await change(() => [{ id: newId(), type: rewritten, data }]);
    },
    replaceHistoryWithCompaction: (given) => change((state) => replacing(state, state.now.length, given)),
  };
};

/** With the keys of objects in order: the same transaction, however it was put together, is the same text. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
};
