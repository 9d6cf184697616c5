/**
 * Recorded conversations as sessions of the Agent Client Protocol: their list, one told again, and the brief of one.
 *
 * Room: edge.
 *
 * A session is named by its thread. A session that `recollect acp -- AGENT` recorded is also found by the agent's own id.
 */
import { Clock, Effect, Option, Schema, Stream } from "effect";
import { asCalled } from "../../machine/CalledAs.ts";
import { briefText } from "../../query/brief/BriefText.ts";
import { defaultTokens } from "../../query/brief/Budget.ts";
import { briefOf } from "../../query/brief/HandOver.ts";
import { minute, titleOf } from "../../query/brief/Plain.ts";
import { resumeOf } from "../../query/brief/Resume.ts";
import { tokensIn } from "../../query/brief/Tokens.ts";
import { maxPage, Query, type ThreadRow } from "../../query/Query.ts";
import { updates } from "./Replay.ts";

/** Sessions of one page of the list. */
const pageLength = 50;
/** Messages that are read at once. */
const window = 400;
/** Hits that a search answers with. */
const mostHits = 10;

/** There is no such session, or no such place in the list. */
export class NoSession extends Schema.TaggedError<NoSession>()("NoSession", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const listed = `tenant = :tenant AND deleted_at IS NULL AND coalesce(expires_at, :now + 1) > :now AND messages > 0
  AND (parent_thread_id IS NULL OR parent_relation = 'fork' OR tool = 'acp')`;

/** A place in the list: the times and sequences behind it are older. */
const placeOf = (cursor: string | null | undefined) => {
  if (cursor === undefined || cursor === null) return Effect.succeed(undefined);
  const [, at, sequence] = /^(-?\d{1,16})\.(\d{1,16})$/.exec(cursor) ?? [];
  return at === undefined
    ? Effect.fail(
        new NoSession({ message: "The cursor is none of this list.", hint: "Take nextCursor of the page before." }),
      )
    : Effect.succeed({ at: Number(at), sequence: Number(sequence) });
};

/** A page of sessions, the last active first; with `cwd` those of that folder. */
export const list = Effect.fnUntraced(function* (given: {
  readonly tenant: string;
  readonly cwd?: string | null | undefined;
  readonly cursor?: string | null | undefined;
}) {
  const query = yield* Query;
  const place = yield* placeOf(given.cursor);
  const { cwd, tenant } = given;
  const { rows } = yield* query.select(
    `SELECT thread_id, title, opening, cwd, listed_at, first_sequence FROM v_threads WHERE ${listed}
    ${typeof cwd === "string" ? "AND cwd = :cwd" : ""}
    ${place === undefined ? "" : "AND (listed_at, first_sequence) < (:at, :sequence)"}
    ORDER BY listed_at DESC, first_sequence DESC LIMIT ${pageLength + 1}`,
    {
      tenant,
      now: yield* Clock.currentTimeMillis,
      ...(typeof cwd === "string" ? { cwd } : {}),
      ...place,
    },
  );
  const sessions = rows.slice(0, pageLength).map(([id, title, opening, folder, at]) => ({
    sessionId: String(id),
    // The protocol asks for one; of a thread without a folder it is the root.
    cwd: typeof folder === "string" && folder !== "" ? folder : "/",
    title: titleOf({
      title: typeof title === "string" ? title : null,
      opening: typeof opening === "string" ? opening : null,
    }),
    updatedAt: new Date(Number(at)).toISOString(),
  }));
  const last = rows.length > pageLength ? rows[pageLength - 1] : undefined;
  return { sessions, ...(last === undefined ? {} : { nextCursor: `${String(last[4])}.${String(last[5])}` }) };
});

/** The thread of a session id. */
export const threadOf = Effect.fnUntraced(function* (sessionId: string, tenant: string) {
  const query = yield* Query;
  const now = yield* Clock.currentTimeMillis;
  for (const threadId of [sessionId, `acp/${sessionId}`]) {
    const thread = yield* query.thread({ threadId, tenant });
    if (thread !== undefined && thread.deletedAt === null && (thread.expiresAt === null || thread.expiresAt > now))
      return thread;
  }
  return yield* new NoSession({
    message: `There is no session ${sessionId} in the record.`,
    hint: "session/list and recollect threads list them.",
  });
});

/** The whole conversation as updates, a part at a time. */
export const replay = (thread: ThreadRow) =>
  Stream.paginate(0, (after) =>
    Effect.gen(function* () {
      const query = yield* Query;
      const filter = { threadId: thread.threadId, tenant: thread.tenant, after };
      const messages = yield* query.messages({ ...filter, limit: window });
      const calls = yield* query.toolCalls({ ...filter, limit: maxPage });
      const compactions = yield* query.compactions({ ...filter, limit: maxPage });
      // A full page of any of them ends this part: what stands behind its last row is for the next one.
      const endOf = (rows: ReadonlyArray<{ readonly sequence: number }>, most: number) =>
        rows.length < most ? [] : [rows.at(-1)?.sequence ?? after];
      const ends = [...endOf(messages, window), ...endOf(calls, maxPage), ...endOf(compactions, maxPage)];
      const last = ends.length === 0 ? undefined : Math.min(...ends);
      const within = <A extends { readonly sequence: number }>(rows: ReadonlyArray<A>) =>
        rows.filter(({ sequence }) => last === undefined || sequence <= last);
      const told = updates({
        messages: within(messages),
        calls: within(calls),
        compactions: within(compactions),
      });
      return [told, Option.fromUndefinedOr(last)] as const;
    }),
  );

/** The brief of a thread for the agent that goes on with it, as Markdown. */
export const brief = Effect.fnUntraced(function* (thread: ThreadRow) {
  const { brief: told } = yield* briefOf({
    thread,
    tokens: defaultTokens,
    size: (one) => tokensIn(briefText(one)),
  });
  return briefText(told);
});

/** Ways on from a recorded session, for the person who looks at it. */
export const waysOn = (thread: ThreadRow): string => {
  const resumed = resumeOf(thread);
  return asCalled(
    [
      "This is a recorded session: no agent works behind it.",
      ...(resumed === undefined ? [] : [`Its own agent goes on with it: \`${resumed.command}\``]),
      "Another one does with the brief below as its first prompt.",
    ].join("\n"),
  );
};

/** Conversations in which these words stand, as Markdown. */
export const search = Effect.fnUntraced(function* (words: string, tenant: string) {
  const query = yield* Query;
  const { threads } = yield* query.threads({ text: words, tenant, limit: mostHits });
  if (threads.length === 0) return "No recorded conversation has all of these words.";
  const hits = threads.map((thread) => {
    const about = [thread.tool ?? thread.client, thread.cwd, minute(thread.listedAt)].filter((one) => one !== null);
    const snippet = thread.hit?.snippet.replaceAll(/\s+/g, " ") ?? "";
    return `- **${titleOf(thread) ?? thread.threadId}** (${about.join(", ")})\n  session \`${thread.threadId}\`\n  ${snippet}`;
  });
  return `${hits.join("\n")}\n\nLoad a session by its id to read it.`;
});
