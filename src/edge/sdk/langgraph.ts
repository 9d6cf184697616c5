/**
 * LangGraph for JavaScript: a checkpointer on threads, for `graph.compile({ checkpointer })`.
 *
 * Room: edge.
 *
 * A thread of LangGraph is a thread here; the messages of its state, where they have ids, are its messages. Read from
 * @langchain/langgraph-checkpoint 1.2.2, whose validation suite `npm run drill -- sdks` runs.
 */
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  type DeltaChannelHistory,
  maxChannelVersion,
  type PendingWrite,
  type SerializerProtocol,
  WRITES_IDX_MAP,
} from "@langchain/langgraph-checkpoint";
import { boundedId } from "../import/ThreadIds.ts";
import { decideOrKeep, newId } from "./Appending.ts";
import type { AppendedEvent, EventFold, Histories, RecollectHistory } from "./Client.ts";
import {
  type Change,
  deleted,
  type Form,
  format,
  type Graph,
  graphOf,
  type Held,
  isTaken,
  known,
  type Node,
  nodeKey,
  remember,
  whole,
  type WritesAbout,
  writesOf,
} from "./GraphHistory.ts";
import { inOrder } from "./InOrder.ts";
import { diff, type Json } from "./JsonPatch.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";
import { SdkRefused } from "./SdkRefused.ts";
import { stored, storedText } from "./StoredValue.ts";

export { SdkRefused } from "./SdkRefused.ts";

type Config = Parameters<BaseCheckpointSaver["getTuple"]>[0];

export interface RecollectSaverOptions {
  /** Keeps the threads of one graph apart from others' threads of the same ids: part of their names here. */
  readonly graph?: string | undefined;
  readonly serde?: SerializerProtocol | undefined;
}

const listed = "x.langgraph.listed";
const tasks = "__pregel_tasks";

/** Ids of threads that have checkpoints, for a list over all of them. */
const threads: EventFold<Listed<string>> = {
  initial: none,
  apply: (state, { data, type }) =>
    type === listed ? added(state, (data as { readonly thread: string }).thread) : state,
};

const utf8 = new TextDecoder();

const formOf = ([type, bytes]: [string, Uint8Array]): Form =>
  type === "json"
    ? { json: JSON.parse(utf8.decode(bytes)) as Json }
    : { type, base64: Buffer.from(bytes).toString("base64") };

const keyAt = (config: Config | undefined, name: string): string | undefined => {
  const value: unknown = config?.configurable?.[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  throw new SdkRefused("Invalid", `The configurable "${name}" is no string.`, "Give it as a string.");
};

const needed = (config: Config, name: string, call: string): string => {
  const value = keyAt(config, name);
  if (value !== undefined && (value !== "" || name === "checkpoint_ns")) return value;
  throw new SdkRefused(
    "Invalid",
    `Failed to ${call}: the config has no "${name}" in its "configurable".`,
    'Pass one: graph.invoke(input, { configurable: { thread_id: "my-thread" } }).',
  );
};

const checkpointIdOf = (config: Config | undefined): string | undefined =>
  keyAt(config, "checkpoint_id") || keyAt(config, "thread_ts") || undefined;

const configOf = (thread_id: string, checkpoint_ns: string, checkpoint_id: string) => ({
  configurable: { thread_id, checkpoint_ns, checkpoint_id },
});

/** Changes of a checkpoint to its parent. */
const changesTo = (before: Readonly<Record<string, Form>>, now: Readonly<Record<string, Form>>) => {
  const channels: Record<string, Change> = {};
  for (const [name, form] of Object.entries(now)) {
    const was = Object.hasOwn(before, name) ? before[name] : undefined;
    if ("base64" in form) {
      if (was === undefined || !("base64" in was) || was.base64 !== form.base64 || was.type !== form.type)
        channels[name] = form;
      continue;
    }
    const patch = was !== undefined && "json" in was ? diff(was.json, form.json) : { v: form.json };
    if (patch !== undefined) channels[name] = patch;
  }
  const without = Object.keys(before).filter((name) => !Object.hasOwn(now, name));
  return { channels, ...(without.length === 0 ? {} : { without }) };
};

/** The parent of a checkpoint is there, and was not made whole yet: another process put it. */
class Unseen extends Error {
  readonly node: Node;
  constructor(node: Node) {
    super("made whole before the next try");
    this.node = node;
  }
}

/** Checkpoints on Recollect. Several processes may run one graph; each checkpoint is durable when `put` resolves. */
export class RecollectSaver extends BaseCheckpointSaver {
  readonly #recollect: Histories;
  readonly #graph: string;
  readonly #ordered = inOrder();
  readonly #listed = new Set<string>();

  constructor(recollect: Histories, { graph = "", serde }: RecollectSaverOptions = {}) {
    super(serde);
    this.#recollect = recollect;
    this.#graph = graph;
  }

  #historyOf(threadId: string): RecollectHistory {
    return this.#recollect.history({ thread: boundedId(this.#graph === "" ? threadId : `${this.#graph}/${threadId}`) });
  }

  get #index(): RecollectHistory {
    return this.#recollect.history({ session: boundedId(`langgraph/${this.#graph}`) });
  }

  async #read(threadId: string): Promise<{ history: RecollectHistory; graph: Graph | undefined }> {
    const history = this.#historyOf(threadId);
    return { history, graph: (await history.folded(graphOf)).state };
  }

  #load(form: Form): Promise<unknown> {
    if ("json" in form) return this.serde.loadsTyped("json", JSON.stringify(form.json));
    return this.serde.loadsTyped(form.type, new Uint8Array(Buffer.from(form.base64, "base64")));
  }

  /** The writes of a checkpoint, with the channels given or all. */
  async #writes(history: RecollectHistory, graph: Graph, ns: string, id: string) {
    const texts = new Map<object, Promise<ReadonlyArray<Form>>>();
    return Promise.all(
      writesOf(graph, ns, id).map(async ({ at, channel, stored: value, task }): Promise<CheckpointPendingWrite> => {
        const forms = texts.get(value) ?? storedText(history, value).then((text) => JSON.parse(text) as Array<Form>);
        texts.set(value, forms);
        const form = (await forms)[at];
        return [task, channel, form === undefined ? undefined : await this.#load(form)];
      }),
    );
  }

  async #tuple(threadId: string, history: RecollectHistory, graph: Graph, node: Node): Promise<CheckpointTuple> {
    const { channels, entry } = await whole(history, node);
    const values = await Promise.all(
      Object.entries(channels).map(async ([name, form]) => [name, await this.#load(form)] as const),
    );
    const rest = (await this.#load({ json: entry.checkpoint })) as Checkpoint;
    const checkpoint: Checkpoint = { ...rest, channel_values: Object.fromEntries(values) };
    const { ns, parent } = node;
    if (checkpoint.v < 4 && parent !== undefined) await this.#migrate(checkpoint, history, graph, ns, parent);
    return {
      config: configOf(threadId, ns, node.checkpoint),
      checkpoint,
      metadata: (await this.#load({ json: entry.metadata })) as CheckpointMetadata,
      pendingWrites: await this.#writes(history, graph, ns, node.checkpoint),
      ...(parent === undefined ? {} : { parentConfig: configOf(threadId, ns, parent) }),
    };
  }

  /** Checkpoints of before version 4 have what was sent to tasks among their parent's writes. */
  async #migrate(checkpoint: Checkpoint, history: RecollectHistory, graph: Graph, ns: string, parent: string) {
    const sends = (await this.#writes(history, graph, ns, parent)).filter(([, channel]) => channel === tasks);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[tasks] = sends.map(([, , value]) => value);
    checkpoint.channel_versions[tasks] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }

  async getTuple(config: Config): Promise<CheckpointTuple | undefined> {
    const threadId = keyAt(config, "thread_id");
    if (threadId === undefined || threadId === "") return undefined;
    const { graph, history } = await this.#read(threadId);
    const ns = keyAt(config, "checkpoint_ns") ?? "";
    const id = checkpointIdOf(config) ?? graph?.newest.get(ns);
    const node = id === undefined ? undefined : graph?.nodes.get(nodeKey(ns, id));
    if (graph === undefined || node === undefined) return undefined;
    const tuple = await this.#tuple(threadId, history, graph, node);
    return checkpointIdOf(config) === undefined ? tuple : { ...tuple, config };
  }

  async *list(config: Config, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { before, filter = {} } = options;
    const threadId = keyAt(config, "thread_id");
    const all = threadId === undefined ? toArray((await this.#index.folded(threads)).state) : [threadId];
    const [ns, id, first] = [keyAt(config, "checkpoint_ns"), keyAt(config, "checkpoint_id"), checkpointIdOf(before)];
    let left = options.limit ?? Number.POSITIVE_INFINITY;
    for (const thread of new Set(all)) {
      const { graph, history } = await this.#read(thread);
      const nodes = [...(graph?.nodes.values() ?? [])]
        .filter((node) => (ns === undefined || node.ns === ns) && (id === undefined || node.checkpoint === id))
        .filter(({ checkpoint }) => first === undefined || checkpoint < first)
        .toSorted((one, other) => (one.checkpoint < other.checkpoint ? 1 : -1));
      for (const node of nodes) {
        if (left <= 0 || graph === undefined) return;
        const tuple = await this.#tuple(thread, history, graph, node);
        const metadata = (tuple.metadata ?? {}) as Record<string, unknown>;
        if (!Object.entries(filter).every(([key, value]) => metadata[key] === value)) continue;
        left--;
        yield tuple;
      }
    }
  }

  async put(
    config: Config,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<Config> {
    const threadId = needed(config, "thread_id", "put a checkpoint");
    const ns = keyAt(config, "checkpoint_ns") ?? "";
    const parent = keyAt(config, "checkpoint_id") || undefined;
    const { channel_values, ...rest } = checkpoint;
    // At once, before the run goes on with what it holds.
    const dumped = (value: unknown) => this.serde.dumpsTyped(value).then(formOf);
    const values = Promise.all(
      Object.entries(channel_values ?? {}).map(async ([name, value]) => [name, await dumped(value)] as const),
    );
    const [now, head, about] = await Promise.all([values, dumped(rest), dumped(metadata)]);
    const channels = Object.fromEntries(now);
    const [entryHead, entryAbout] = [jsonIn(head), jsonIn(about)];
    const listing = this.#list(threadId);
    await this.#ordered(threadId, async () => {
      const history = this.#historyOf(threadId);
      // A channel that has no new version holds what it held before, and is not written for the first time.
      const heldWith = (before: Held["channels"]) =>
        Object.fromEntries(now.filter(([name]) => Object.hasOwn(newVersions, name) || Object.hasOwn(before, name)));
      const entryTo = (before: Held["channels"], held: Held["channels"]) => ({
        checkpoint: entryHead,
        metadata: entryAbout,
        ...changesTo(before, held),
      });
      const parentIn = (graph: Graph | undefined) =>
        parent === undefined ? undefined : graph?.nodes.get(nodeKey(ns, parent));
      let made: Held = { entry: entryTo({}, channels), channels };
      const make = (graph: Graph | undefined): ReadonlyArray<AppendedEvent> => {
        const node = parentIn(graph);
        const held = known(node);
        if (node !== undefined && held === undefined) throw new Unseen(node);
        const isAlone = held === undefined && parent !== undefined;
        const own = isAlone ? channels : heldWith(held?.channels ?? {});
        made = { entry: entryTo(held?.channels ?? {}, own), channels: own };
        const at = { ns, checkpoint: checkpoint.id, ...(parent === undefined ? {} : { parent }) };
        return [entryOf(isAlone ? { ...at, alone: true } : at, stored(JSON.stringify(made.entry)))];
      };
      const put = () => decideOrKeep<Graph | undefined>(history, graphOf, make, { guess: true });
      const graph = await put().catch(async (error: unknown) => {
        if (!(error instanceof Unseen)) throw error;
        await whole(history, error.node);
        return put();
      });
      remember(graph?.nodes.get(nodeKey(ns, checkpoint.id)), made);
    });
    await listing;
    return configOf(threadId, ns, checkpoint.id);
  }

  /** Once for each process and thread, beside the thread's first checkpoint: listed twice is listed. */
  async #list(threadId: string): Promise<void> {
    if (this.#listed.has(threadId)) return;
    this.#listed.add(threadId);
    await this.#index.publish({ type: listed, data: { thread: threadId } });
  }

  async putWrites(config: Config, writes: Array<PendingWrite>, taskId: string, taskPath = ""): Promise<void> {
    const threadId = needed(config, "thread_id", "put writes");
    const checkpoint = needed(config, "checkpoint_id", "put writes");
    const ns = keyAt(config, "checkpoint_ns") ?? "";
    const forms = await Promise.all(writes.map(([, value]) => this.serde.dumpsTyped(value).then(formOf)));
    const about: WritesAbout = {
      ns,
      writesOf: checkpoint,
      task: taskId,
      path: taskPath,
      writes: writes.map(([channel], at) => [channel, WRITES_IDX_MAP[channel] ?? at] as const),
    };
    const event = entryOf(about, stored(JSON.stringify(forms)));
    const make = (state: Graph | undefined) => {
      const isKnown = state !== undefined && about.writes.every(([, number]) => isTaken(state, about, number));
      return writes.length === 0 || isKnown ? [] : [event];
    };
    await this.#ordered(threadId, () =>
      decideOrKeep<Graph | undefined>(this.#historyOf(threadId), graphOf, make, { guess: true }),
    );
  }

  /** Hides the thread: its events stay in the log, and nothing reads them. */
  async deleteThread(threadId: string): Promise<void> {
    await this.#ordered(threadId, () =>
      this.#historyOf(threadId).decide(graphOf, (graph) =>
        graph === undefined
          ? []
          : [
              { id: newId(), type: deleted, data: {} },
              { id: newId(), type: "thread.deleted", data: { reason: "deleted by LangGraph" } },
            ],
      ),
    );
  }

  /** Writes to the channels on the way from the nearest stored value, in the order in which they were made. One read of the thread. */
  override async getDeltaChannelHistory({ channels, config }: { config: Config; channels: Array<string> }) {
    const found: Record<string, DeltaChannelHistory> = Object.fromEntries(
      channels.map((name) => [name, { writes: [] }]),
    );
    const threadId = keyAt(config, "thread_id");
    if (threadId === undefined || channels.length === 0) return found;
    const { graph, history } = await this.#read(threadId);
    const ns = keyAt(config, "checkpoint_ns") ?? "";
    const ancestor = (id: string | undefined) => (id === undefined ? undefined : graph?.nodes.get(nodeKey(ns, id)));
    const open = new Set(channels);
    let node = ancestor(ancestor(checkpointIdOf(config) ?? graph?.newest.get(ns))?.parent);
    while (graph !== undefined && node !== undefined && open.size > 0) {
      const [held, writes] = [await whole(history, node), await this.#writes(history, graph, ns, node.checkpoint)];
      for (const name of open) {
        const one = found[name];
        if (one === undefined) continue;
        one.writes = [...writes.filter(([, channel]) => channel === name), ...one.writes];
        const form = Object.hasOwn(held.channels, name) ? held.channels[name] : undefined;
        const seed = form === undefined ? undefined : await this.#load(form);
        if (seed === undefined) continue;
        one.seed = seed;
        open.delete(name);
      }
      node = ancestor(node.parent);
    }
    return found;
  }
}

const jsonIn = (form: Form): Json => ("json" in form ? form.json : null);

const entryOf = (about: object, { blobs, value }: ReturnType<typeof stored>): AppendedEvent => ({
  id: newId(),
  type: "thread.entry_recorded",
  data: { format, about, ...value },
  blobs,
  source: format,
});
