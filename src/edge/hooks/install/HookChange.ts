/**
 * The change that an install or a removal makes to an agent's file, as texts: pure, so that it can be shown first.
 *
 * Room: edge.
 *
 * Promises: only entries of ours are put in, replaced or taken out; installing twice is installing once; what an install made
 * is gone after a removal, byte for byte but for lists of hooks that were empty before.
 */
import { isDeepStrictEqual } from "node:util";
import type { HookAgent } from "../../../domain/interpret/hooks/hookEvent.ts";
import { type AgentHooks, type HookOptions, isOurs } from "./AgentHooks.ts";
import { childOf, inserted, type Node, read, removed, valueOf } from "./JsonText.ts";

/** Index of the first entry of ours in a list, and of the handler in it where others stand beside it. */
const findOurs = (
  agent: HookAgent,
  text: string,
  list: Node,
): { readonly container: Node; readonly index: number } | undefined => {
  for (const [index, entry] of list.children.entries()) {
    if (isOurs(agent, valueOf(text, entry))) return { container: list, index };
    const handlers = childOf(entry, "hooks");
    const own = handlers?.children.findIndex((handler) => isOurs(agent, valueOf(text, handler))) ?? -1;
    if (handlers === undefined || own < 0) continue;
    return handlers.children.length === 1 ? { container: list, index } : { container: handlers, index: own };
  }
  return undefined;
};

const withoutOne = (agent: HookAgent, text: string): string | undefined => {
  const root = read(text);
  const hooks = childOf(root, "hooks");
  for (const [at, list] of hooks?.children.entries() ?? []) {
    const found = findOurs(agent, text, list);
    if (hooks === undefined || found === undefined) continue;
    const isLast = found.container === list && list.children.length === 1;
    if (!isLast) return removed(text, found.container, found.index);
    // A list, and the object of lists, that held nothing else.
    if (hooks.children.length > 1) return removed(text, hooks, at);
    return removed(text, root, root.children.indexOf(hooks));
  }
  return undefined;
};

/** The text without any entry of ours. */
export const without = (agent: HookAgent, text: string): string => {
  for (let now = text; ;) {
    const next = withoutOne(agent, now);
    if (next === undefined) return now;
    now = next;
  }
};

/** Hooks of a file that are not written as the agent has them: an entry of ours has no place there. */
export class NoHooks extends Error {}

const assertKind = ({ kind }: Node, wanted: Node["kind"], name: string): void => {
  if (kind !== wanted) throw new NoHooks(`${name} is no ${wanted}`);
};

const withEntry = (text: string, event: string, entry: unknown): string => {
  const root = read(text);
  assertKind(root, "object", "the file");
  const hooks = childOf(root, "hooks");
  if (hooks === undefined) return inserted(text, root, { [event]: [entry] }, "hooks");
  assertKind(hooks, "object", '"hooks"');
  const list = childOf(hooks, event);
  if (list === undefined) return inserted(text, hooks, [entry], event);
  assertKind(list, "array", `"hooks.${event}"`);
  return inserted(text, list, entry);
};

/** Entries of ours by event. */
const installedEntries = (agent: HookAgent, text: string): Readonly<Record<string, unknown>> => {
  const found: Record<string, unknown> = {};
  for (const list of childOf(read(text), "hooks")?.children ?? []) {
    const ours = findOurs(agent, text, list);
    const entry = ours?.container.children[ours.index];
    if (entry !== undefined && list.key !== undefined) found[list.key] = valueOf(text, entry);
  }
  return found;
};

export const countOf = ({ agent, how }: AgentHooks, text: string | undefined): number => {
  if (text === undefined) return 0;
  return how.kind === "file" ? 1 : Object.keys(installedEntries(agent, text)).length;
};

/** The file as it is to be; `text` is what is there, undefined where no file is. Throws `NoJson` or `NoHooks`. */
export const installed = ({ agent, how }: AgentHooks, text: string | undefined, options: HookOptions): string => {
  if (how.kind === "file") return how.text(options);
  const entries = how.entries(options);
  const now = text === undefined || text.trim() === "" ? `${JSON.stringify(how.empty, null, 2)}\n` : text;
  if (isDeepStrictEqual(installedEntries(agent, now), entries)) return now;
  let after = without(agent, now);
  for (const [event, entry] of Object.entries(entries)) after = withEntry(after, event, entry);
  return after;
};

/** The file without us; undefined for no file: one of our own, or one that was made for us and holds nothing else. */
export const uninstalled = ({ agent, how }: AgentHooks, text: string, isMadeByUs: boolean): string | undefined => {
  if (how.kind === "file") return undefined;
  const after = without(agent, text);
  return isMadeByUs && after !== text && isDeepStrictEqual(valueOf(after, read(after)), how.empty) ? undefined : after;
};
