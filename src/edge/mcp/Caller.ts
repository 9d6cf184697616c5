/**
 * The caller: a role, a tenant, and the conversation in which the question is asked.
 *
 * Room: edge.
 */
import { Context } from "effect";
import { defaultTenant } from "../../domain/History.ts";
import type { Desk } from "./Desk.ts";
import { isObject, stringAt } from "../../domain/Json.ts";

/** Deed of a tool; each role may do some of them. */
export type Deed = "read" | "write" | "tasks" | "sql";

/** As over HTTP: each role may what those before it may. */
export const roles = {
  reader: ["read"],
  publisher: ["read", "write"],
  worker: ["read", "write", "tasks"],
  operator: ["read", "write", "tasks", "sql"],
} as const satisfies Readonly<Record<string, ReadonlyArray<Deed>>>;
export type Role = keyof typeof roles;

export interface Who {
  readonly role: Role;
  readonly tenant: string;
  /** Name of the token; absent for a process of this user. */
  readonly name?: string | undefined;
  /** The thread that the asking agent itself is in, where its program says so. */
  readonly thread: string | undefined;
}

/** Sender of the current request, and the store that it is answered from. */
export class Caller extends Context.Service<
  Caller,
  { readonly who: Who; readonly desk: Context.Service.Shape<typeof Desk> }
>()("recollect/edge/mcp/Caller") {}

export const may = ({ role }: Pick<Who, "role">, deed: Deed): boolean => roles[role].some((one) => one === deed);

/** The environment's names for the session that has started this process, by agent. */
const sessionVariables = ["RECOLLECT_THREAD", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "GEMINI_SESSION_ID"];

/** Caller of a tool: the user that started this process, with these roles. */
export const ofProcess = (
  options: { readonly role: Role; readonly tenant?: string | undefined; readonly thread?: string | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): Who => {
  const known = sessionVariables.map((name) => environment[name]).find((id) => id !== undefined && id !== "");
  return {
    role: options.role,
    tenant: options.tenant ?? defaultTenant,
    thread: options.thread ?? known,
  };
};

/** Keys beside a call by which clients name its conversation. */
const sessionKeys = ["io.recollect/thread", "sessionId", "session_id", "threadId", "thread_id"];

/** The conversation that a request names in its `_meta`. */
export const threadIn = (meta: unknown): string | undefined => {
  for (const key of sessionKeys) {
    const named = stringAt(meta, key);
    if (named !== undefined) return named;
  }
  if (!isObject(meta)) return undefined;
  // Codex tells of its turn in an object of its own.
  const turn = meta["x-codex-turn-metadata"];
  return stringAt(turn, "session_id") ?? stringAt(turn, "thread_id");
};

/** Claude Code says which of its own tool uses a call is. */
export const toolUseIn = (meta: unknown): string | undefined => stringAt(meta, "claudecode/toolUseId");
