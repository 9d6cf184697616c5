/**
 * The checkpoints and writes of a LangGraph thread, folded from its entries.
 *
 * Room: edge.
 *
 * A checkpoint is an entry of the format `langgraph`: what its channels hold beyond those of its parent, so that a list of
 * messages that grows by one costs one message. Nothing here knows LangGraph's classes.
 */
import type { EventFold, RecollectHistory } from "./Client.ts";
import { type Json, type Patch, patched } from "./JsonPatch.ts";
import { type Stored, storedText } from "./StoredValue.ts";

/** A value by the serialiser's type: JSON as it is, anything else in base64. */
export type Form = { readonly json: Json } | { readonly type: string; readonly base64: string };

/** A channel beside its parent's: a patch of JSON, or the whole of what is no JSON. */
export type Change = Patch | { readonly type: string; readonly base64: string };

export interface CheckpointEntry {
  readonly checkpoint: Json;
  readonly metadata: Json;
  readonly channels: Readonly<Record<string, Change>>;
  /** Channels of the parent that it does not have. */
  readonly without?: ReadonlyArray<string>;
}

/** Beside the entry, because a large entry is not in its event. */
export interface CheckpointAbout {
  readonly ns: string;
  readonly checkpoint: string;
  readonly parent?: string;
  /** It holds all of its channels, not what they are beyond its parent's. */
  readonly alone?: true;
}

export interface WritesAbout {
  readonly ns: string;
  readonly writesOf: string;
  readonly task: string;
  readonly path: string;
  /** Channel and number of each write. */
  readonly writes: ReadonlyArray<readonly [string, number]>;
}

export interface Node extends CheckpointAbout {
  readonly stored: Stored;
  /** The parent as it stood when this was written: what its channels are beyond. */
  readonly base: Node | undefined;
}

export interface Write {
  readonly task: string;
  readonly path: string;
  readonly channel: string;
  readonly number: number;
  /** Index among the writes of its entry. */
  readonly at: number;
  readonly stored: Stored;
}

/** Shared by all states: a checkpoint and a write are in the log once they are here, and stay until the thread is deleted. */
export interface Graph {
  readonly nodes: Map<string, Node>;
  readonly newest: Map<string, string>;
  readonly writes: Map<string, Map<string, Write>>;
}

export const format = "langgraph";
export const deleted = "x.langgraph.deleted";

export const nodeKey = (ns: string, id: string): string => JSON.stringify([ns, id]);
const writeKey = (task: string, number: number): string => JSON.stringify([task, number]);

const empty = (): Graph => ({ nodes: new Map(), newest: new Map(), writes: new Map() });

const withNode = (graph: Graph, about: CheckpointAbout, stored: Stored): Graph => {
  const { alone, checkpoint, ns, parent } = about;
  const base = parent === undefined || alone === true ? undefined : graph.nodes.get(nodeKey(ns, parent));
  graph.nodes.set(nodeKey(ns, checkpoint), { ...about, stored, base });
  if (checkpoint > (graph.newest.get(ns) ?? "")) graph.newest.set(ns, checkpoint);
  return graph;
};

/** A write stays as it was first made; those of errors and interrupts, numbered below zero, are replaced. */
export const isTaken = (graph: Graph, { ns, task, writesOf }: WritesAbout, number: number): boolean =>
  number >= 0 && graph.writes.get(nodeKey(ns, writesOf))?.has(writeKey(task, number)) === true;

const withWrites = (graph: Graph, about: WritesAbout, stored: Stored): Graph => {
  const { ns, path, task, writesOf } = about;
  const key = nodeKey(ns, writesOf);
  const writes = graph.writes.get(key) ?? new Map<string, Write>();
  for (const [at, [channel, number]] of about.writes.entries())
    if (!isTaken(graph, about, number)) writes.set(writeKey(task, number), { task, path, channel, number, at, stored });
  graph.writes.set(key, writes);
  return graph;
};

export const graphOf: EventFold<Graph | undefined> = {
  initial: undefined,
  apply: (graph, { data, type }) => {
    if (type === deleted) return undefined;
    if (type !== "thread.entry_recorded" || (data as { readonly format: string }).format !== format) return graph;
    const { about, ...stored } = data as Stored & { readonly about: CheckpointAbout | WritesAbout };
    const state = graph ?? empty();
    return "writesOf" in about ? withWrites(state, about, stored) : withNode(state, about, stored);
  },
};

const compareCharacters = (one: string, other: string): number => {
  const [a, b] = [[...one], [...other]];
  for (let at = 0; at < a.length && at < b.length; at++) {
    const difference = (a[at]?.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

/** The writes of a checkpoint in the order in which a run applies them: by path, task and number. */
export const writesOf = (graph: Graph, ns: string, id: string): ReadonlyArray<Write> =>
  [...(graph.writes.get(nodeKey(ns, id))?.values() ?? [])].toSorted(
    (one, other) =>
      compareCharacters(one.path, other.path) || compareCharacters(one.task, other.task) || one.number - other.number,
  );

export interface Held {
  readonly entry: CheckpointEntry;
  readonly channels: Readonly<Record<string, Form>>;
}

const held = new WeakMap<Node, Held>();

/** A checkpoint whole, where it was made before. */
export const known = (node: Node | undefined): Held | undefined => (node === undefined ? undefined : held.get(node));

/** Spares making it: whoever wrote it has it. */
export const remember = (node: Node | undefined, one: Held): void => {
  if (node !== undefined) held.set(node, one);
};

const changedBy = (form: Form | undefined, change: Change): Form =>
  "base64" in change ? change : { json: patched(form !== undefined && "json" in form ? form.json : undefined, change) };

/** A checkpoint whole: made of its ancestors once, and kept as long as it is. */
export const whole = async (history: RecollectHistory, node: Node): Promise<Held> => {
  const line: Array<Node> = [];
  let at: Node | undefined = node;
  while (at !== undefined && !held.has(at)) {
    line.push(at);
    at = at.base;
  }
  let before: Held["channels"] = known(at)?.channels ?? {};
  for (const one of line.toReversed()) {
    const entry = JSON.parse(await storedText(history, one.stored)) as CheckpointEntry;
    const kept = Object.entries(before).filter(([name]) => entry.without?.includes(name) !== true);
    const from = before;
    const changed = Object.entries(entry.channels).map(
      ([name, change]) => [name, changedBy(Object.hasOwn(from, name) ? from[name] : undefined, change)] as const,
    );
    before = Object.fromEntries([...kept, ...changed]);
    held.set(one, { entry, channels: before });
  }
  return held.get(node) ?? { entry: { checkpoint: {}, metadata: {}, channels: {} }, channels: before };
};
