/**
 * Sessions of the Claude Agent SDK by project: a history of its own, because no list of threads knows projects.
 *
 * Room: edge.
 */
import type { AppendedEvent, EventFold, Histories, HistoryEvent } from "./Client.ts";
import { fromContent } from "../../domain/EventId.ts";
import { boundedId } from "../import/ThreadIds.ts";
import { decideOrKeep } from "./Appending.ts";
import { added, type Listed, none, toArray } from "./Listed.ts";

interface Key {
  readonly projectKey: string;
  readonly sessionId: string;
  readonly subpath?: string;
}

export interface Session {
  /** True when it has a transcript of its own, beside those of its sub-agents. */
  readonly main: boolean;
  readonly subpaths: ReadonlySet<string>;
}

const listed = "x.claude_agent_sdk.listed";
const unlisted = "x.claude_agent_sdk.unlisted";

type Change = Pick<HistoryEvent, "type" | "data">;

const changes: EventFold<Listed<Change>> = {
  initial: none,
  apply: (state, { data, type }) => (type === listed || type === unlisted ? added(state, { type, data }) : state),
};

/** Of a state that stays: asked for at each append. */
const found = new WeakMap<Listed<Change>, ReadonlyMap<string, Session>>();

const sessionsIn = (state: Listed<Change>): ReadonlyMap<string, Session> => {
  const known = found.get(state);
  if (known !== undefined) return known;
  const sessions = new Map<string, { main: boolean; subpaths: Set<string> }>();
  for (const { data, type } of toArray(state)) {
    const { sessionId, subpath } = data as { readonly sessionId: string; readonly subpath?: string };
    const session = sessions.get(sessionId) ?? { main: false, subpaths: new Set<string>() };
    if (type === listed) {
      if (subpath === undefined) session.main = true;
      else session.subpaths.add(subpath);
      sessions.set(sessionId, session);
    } else if (subpath === undefined) sessions.delete(sessionId);
    else session.subpaths.delete(subpath);
  }
  found.set(state, sessions);
  return sessions;
};

const isListed = (state: Listed<Change>, { sessionId, subpath }: Key): boolean => {
  const session = sessionsIn(state).get(sessionId);
  return subpath === undefined ? session?.main === true : session?.subpaths.has(subpath) === true;
};

export const indexOf = (recollect: Histories) => {
  const historyOf = (projectKey: string) =>
    recollect.history({ session: boundedId(`claude-agent-sdk/${encodeURIComponent(projectKey.toWellFormed())}`) });
  const nameOf = ({ projectKey, sessionId, subpath }: Key) => JSON.stringify([projectKey, sessionId, subpath ?? null]);

  /** Of two stores that list or unlist at once each adds its event: the later one holds. */
  const change = async (key: Key, type: typeof listed | typeof unlisted): Promise<void> => {
    const history = historyOf(key.projectKey);
    const { sessionId, subpath } = key;
    const data = { sessionId, ...(subpath === undefined ? {} : { subpath }) };
    await decideOrKeep(history, changes, (state): ReadonlyArray<AppendedEvent> => {
      if (state !== undefined && isListed(state, key) === (type === listed)) return [];
      const nth = String(state?.length ?? 0);
      return [{ id: fromContent(type, history.tenant, history.id, nameOf(key), nth), type, data }];
    });
  };

  return {
    list: (key: Key): Promise<void> => change(key, listed),
    unlist: (key: Key): Promise<void> => change(key, unlisted),
    sessions: async (projectKey: string): Promise<ReadonlyMap<string, Session>> =>
      sessionsIn((await historyOf(projectKey).folded(changes)).state),
  };
};
