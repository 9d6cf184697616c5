/**
 * A2A SDK for JavaScript: a `TaskStore` on tasks and threads, for `new DefaultRequestHandler(card, store, executor)`.
 *
 * Room: edge.
 *
 * A context of A2A is a thread, and what its tasks hold are entries of the format `a2a`, each what is new beyond the one before,
 * so that a task that is saved with its whole history at every step costs the step. Its status is a task's, which lists, SQL and
 * other doors see. Read from @a2a-js/sdk 1.3.0.
 */
import { fromContent } from "../../domain/EventId.ts";
import { boundedId } from "../import/ThreadIds.ts";
import { newId } from "./Appending.ts";
import type { AppendedEvent, EventFold, Histories, RecollectHistory } from "./Client.ts";
import { inOrder } from "./InOrder.ts";
import { diff, type Json, type Patch, patched } from "./JsonPatch.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";
import { SdkRefused } from "./SdkRefused.ts";
import { plain, type Stored, stored, storedText, textOf, valueOf } from "./StoredValue.ts";

export { SdkRefused } from "./SdkRefused.ts";

/** Fields of a task that are read; all of it is kept. */
export interface A2aTaskShape {
  readonly id: string;
  readonly contextId: string;
  readonly status?: { readonly state: unknown; readonly timestamp?: string | undefined } | undefined;
  readonly artifacts?: ReadonlyArray<unknown> | undefined;
}

/** Of whom a call is: the tenant, and the user's name, as the SDK resolves them. */
export interface A2aContext {
  readonly tenant?: string | undefined;
  readonly user?: { readonly userName: string } | undefined;
}

export interface A2aListRequest {
  readonly contextId?: string;
  readonly status?: unknown;
  readonly pageSize?: number | undefined;
  readonly pageToken?: string;
  readonly statusTimestampAfter?: string | undefined;
  readonly includeArtifacts?: boolean | undefined;
}

export interface A2aTaskStore<Task> {
  /** Replaces the task. Durable when it resolves; saved again as it is, nothing is written. */
  save(task: Task, context?: A2aContext): Promise<void>;
  load(taskId: string, context?: A2aContext): Promise<Task | undefined>;
  /** Newest status first. Each task of the caller is looked at. */
  list(
    params: A2aListRequest,
    context?: A2aContext,
  ): Promise<{ tasks: Array<Task>; nextPageToken: string; pageSize: number; totalSize: number }>;
}

const format = "a2a";
const listed = "x.a2a.listed";
const defaultPageSize = 50;
/** Tasks that are read at once for a list. */
const atOnce = 32;

/** States of the protocol, by number (1.x) and by word (0.x). */
const states = [
  "unspecified",
  "submitted",
  "working",
  "completed",
  "failed",
  "canceled",
  "input-required",
  "rejected",
  "auth-required",
] as const;
type State = (typeof states)[number];

const stateOf = (state: unknown): State => {
  if (typeof state === "number") return states[state] ?? "unspecified";
  const word = String(state)
    .toLowerCase()
    .replace(/^task_state_/, "")
    .replaceAll("_", "-");
  return states.find((one) => one === word) ?? "unspecified";
};

/** Entries of one task: each is what changed, `whole` where it begins anew. */
interface Saved {
  readonly stored: Stored;
  readonly isWhole: boolean;
}

type Tasks = ReadonlyMap<string, Listed<Saved>>;

interface About {
  readonly task: string;
  readonly whole?: true;
}

const saved: EventFold<Tasks> = {
  initial: new Map(),
  apply: (tasks, { data, type }) => {
    if (type !== "thread.entry_recorded" || (data as { readonly format: string }).format !== format) return tasks;
    const { about, ...value } = data as Stored & { readonly about: About };
    const one = { stored: value, isWhole: about.whole === true };
    return new Map(tasks).set(about.task, added(tasks.get(about.task) ?? none, one));
  },
};

interface Moves {
  readonly thread: string | undefined;
  readonly state: State;
  readonly hasEnded: boolean;
}

const reached: Readonly<Record<string, State>> = {
  "task.started": "working",
  "task.resumed": "working",
  "task.input_requested": "input-required",
  "task.completed": "completed",
  "task.failed": "failed",
  "task.timed_out": "failed",
  "task.cancelled": "canceled",
};

const moves: EventFold<Moves> = {
  initial: { thread: undefined, state: "unspecified", hasEnded: false },
  apply: (state, { data, type }) => {
    if (type === "task.submitted")
      return { ...state, thread: (data as { readonly threadId?: string }).threadId, state: "submitted" };
    const hasBegun = type === "task.claimed" && (data as { readonly begun?: boolean }).begun === true;
    const next = hasBegun ? "working" : reached[type];
    if (next === undefined) return state;
    return { ...state, state: next, hasEnded: next === "completed" || next === "failed" || next === "canceled" };
  },
};

const event = (type: AppendedEvent["type"], data: unknown): AppendedEvent => ({ id: newId(), type, data });

/** The events that bring a task from where it stands to a state; none for what has ended. */
const movesTo = (from: Moves, to: State, said: string | undefined): ReadonlyArray<AppendedEvent> => {
  if (from.hasEnded || from.state === to) return [];
  const message = said === undefined ? {} : { message: said };
  switch (to) {
    case "working":
      return [event(from.state === "input-required" ? "task.resumed" : "task.started", {})];
    case "input-required":
    case "auth-required":
      return from.state === "input-required" ? [] : [event("task.input_requested", message)];
    case "completed":
      return [event("task.completed", {})];
    case "failed":
    case "rejected":
      return [event("task.failed", { error: { type: to, ...message } })];
    case "canceled":
      return [event("task.cancelled", said === undefined ? {} : { reason: said })];
    default:
      return [];
  }
};

/** The words of the status' message, in both forms of the protocol. */
const wordsOf = (task: A2aTaskShape): string | undefined => {
  const message = (task.status as { readonly message?: { readonly parts?: ReadonlyArray<unknown> } } | undefined)
    ?.message;
  const words = (message?.parts ?? []).flatMap((part) => {
    const { content, text } = part as {
      readonly content?: { $case?: string; value?: unknown };
      readonly text?: unknown;
    };
    const said = content?.$case === "text" ? content.value : text;
    return typeof said === "string" ? [said] : [];
  });
  return words.length === 0 ? undefined : words.join("\n").slice(0, 2_000);
};

/** Part of a name that anybody may have given. */
const safe = (text: string): string => encodeURIComponent(text.toWellFormed());

const scopeOf = (context: A2aContext | undefined): string => {
  const owner = context?.user?.userName ?? "";
  return [context?.tenant ?? "", owner].map(safe).join("/");
};

/** Newest first, and of one time the greater id. */
const order = (
  one: { readonly timestamp: string; readonly id: string },
  other: { readonly timestamp: string; readonly id: string },
): number => other.timestamp.localeCompare(one.timestamp) || other.id.localeCompare(one.id);

const fractionOf = (time: string): string => (/\.(\d+)/.exec(time)?.[1] ?? "").padEnd(9, "0");

/** Also within a millisecond, which a `Date` does not know. */
const isAfter = (time: string, than: string): boolean => {
  const difference = Date.parse(time) - Date.parse(than);
  return difference === 0 ? fractionOf(time) > fractionOf(than) : difference > 0;
};

const page = (token: string): { readonly timestamp: string; readonly id: string } => {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString("utf8")) as ReturnType<typeof page>;
  } catch {
    throw new SdkRefused(
      "Invalid",
      "The page token is none of this store.",
      "Give the nextPageToken of the page before.",
    );
  }
};

/** Tasks of A2A. Several servers may share them; of two that save one task at once, the later save holds. */
export const taskStore = <Task extends A2aTaskShape = A2aTaskShape>(recollect: Histories): A2aTaskStore<Task> => {
  const ordered = inOrder();
  /** Each task as it stands in a thread, by the list of its entries: made once. */
  const made = new WeakMap<Listed<Saved>, Json>();

  const taskOf = (scope: string, id: string) => recollect.history({ task: boundedId(`a2a/${scope}/${safe(id)}`) });
  const indexOf = (scope: string) => recollect.history({ session: boundedId(`a2a/${scope}`) });

  const wholeOf = async (thread: RecollectHistory, entries: Listed<Saved>): Promise<Json | undefined> => {
    const known = made.get(entries);
    if (known !== undefined) return known;
    const all = toArray(entries);
    const from = Math.max(
      0,
      all.findLastIndex(({ isWhole }) => isWhole),
    );
    let task: Json | undefined;
    for (const one of all.slice(from)) {
      const { patch } = JSON.parse(await storedText(thread, one.stored)) as { readonly patch: Patch };
      task = patched(task, patch);
    }
    if (task !== undefined) made.set(entries, task);
    return task;
  };

  const saveEntry = async (thread: RecollectHistory, task: Task): Promise<void> => {
    const now = plain(task) as Json;
    // Looked at before, because a large entry is not in its event; a task that another server saved meanwhile is saved whole.
    const { state } = await thread.folded(saved);
    const entries = state.get(task.id);
    const before = entries === undefined ? undefined : await wholeOf(thread, entries);
    let isDone = false;
    const after = await thread.decide(saved, (tasks) => {
      const latest = tasks.get(task.id);
      const isKnown = latest?.length === entries?.length && before !== undefined;
      const patch: Patch | undefined = isKnown ? diff(before, now) : { v: now };
      isDone = patch === undefined;
      if (patch === undefined) return [];
      const { blobs, value } = stored(JSON.stringify({ task: task.id, patch }));
      const about: About = { task: task.id, ...(isKnown ? {} : { whole: true }) };
      return [{ id: newId(), type: "thread.entry_recorded", data: { format, about, ...value }, blobs, source: format }];
    });
    const latest = after.state.get(task.id);
    if (!isDone && latest !== undefined) made.set(latest, now);
  };

  const save = async (task: Task, context: A2aContext | undefined): Promise<void> => {
    const scope = scopeOf(context);
    const history = taskOf(scope, task.id);
    const { state: known } = await history.folded(moves);
    const thread = known.thread ?? boundedId(`a2a/${scope}/${safe(task.contextId)}`);
    await saveEntry(recollect.history({ thread }), task);
    await history.decide(moves, (from) => {
      const asked = { request: { agentType: "a2a" }, threadId: thread };
      const begun = from.state === "unspecified" ? [event("task.submitted", asked)] : [];
      const at: Moves = begun.length === 0 ? from : { ...from, state: "submitted" };
      return [...begun, ...movesTo(at, stateOf(task.status?.state), wordsOf(task))];
    });
    if (known.state === "unspecified") {
      const index = indexOf(scope);
      await index.append([
        { id: fromContent(listed, index.tenant, index.id, task.id), type: listed, data: { task: task.id } },
      ]);
    }
  };

  const load = async (taskId: string, context: A2aContext | undefined): Promise<Task | undefined> => {
    if (taskId === "") return undefined;
    const { state } = await taskOf(scopeOf(context), taskId).folded(moves);
    if (state.thread === undefined) return undefined;
    const thread = recollect.history({ thread: state.thread });
    const entries = (await thread.folded(saved)).state.get(taskId);
    const task = entries === undefined ? undefined : await wholeOf(thread, entries);
    return task === undefined ? undefined : (valueOf(JSON.stringify(task)) as Task);
  };

  const all = async (context: A2aContext | undefined): Promise<Array<Task>> => {
    const { state } = await indexOf(scopeOf(context)).folded(listings);
    const ids = [...new Set(toArray(state))];
    const tasks: Array<Task> = [];
    for (let at = 0; at < ids.length; at += atOnce) {
      const loaded = await Promise.all(ids.slice(at, at + atOnce).map((id) => load(id, context)));
      tasks.push(...loaded.filter((task) => task !== undefined));
    }
    return tasks;
  };

  const timeOf = ({ status }: Task): string => status?.timestamp ?? "";
  const keyOf = (task: Task) => ({ timestamp: timeOf(task), id: task.id });

  return {
    save: (task, context) => {
      if (task.id === "")
        return Promise.reject(
          new SdkRefused("Invalid", "The task has no id.", "Give it one that is unique for its user."),
        );
      const copy = valueOf(textOf(task)) as Task;
      return ordered(task.id, () => save(copy, context));
    },
    load,
    list: async (params, context) => {
      const {
        contextId,
        includeArtifacts = false,
        pageSize = defaultPageSize,
        pageToken,
        status,
        statusTimestampAfter,
      } = params;
      const wanted = status === undefined || stateOf(status) === "unspecified" ? undefined : stateOf(status);
      const after = statusTimestampAfter === "" ? undefined : statusTimestampAfter;
      const found = (await all(context))
        .filter((task) => contextId === undefined || contextId === "" || task.contextId === contextId)
        .filter((task) => wanted === undefined || stateOf(task.status?.state) === wanted)
        .filter((task) => after === undefined || isAfter(timeOf(task), after))
        .toSorted((one, other) => order(keyOf(one), keyOf(other)));
      const from = pageToken === undefined || pageToken === "" ? undefined : page(pageToken);
      // Behind the place of the last one, whether that is still there or not.
      const rest = from === undefined ? found : found.filter((task) => order(from, keyOf(task)) < 0);
      const tasks = rest.slice(0, pageSize);
      const last = tasks.at(-1);
      const token = last === undefined ? "" : JSON.stringify({ timestamp: timeOf(last), id: last.id });
      return {
        tasks: tasks.map((task) => (includeArtifacts ? task : { ...task, artifacts: [] })),
        nextPageToken: rest.length > tasks.length ? Buffer.from(token).toString("base64url") : "",
        pageSize,
        totalSize: found.length,
      };
    },
  };
};

const listings: EventFold<Listed<string>> = {
  initial: none,
  apply: (state, { data, type }) => (type === listed ? added(state, (data as { readonly task: string }).task) : state),
};
