/**
 * `recollect sessions`: who is at work now, and with `--all` every session there ever was.
 *
 * Room: edge.
 */
import { Effect } from "effect";
import { Command, Flag } from "effect/cli";
import { PresenceBucket, type Present } from "../../../coordination/sessions/Presence.ts";
import * as PresenceKv from "../../../coordination/sessions/PresenceKv.ts";
import { Query, type SessionRow } from "../../../query/Query.ts";
import { json, limit, readModels, store } from "../Flags.ts";
import * as Output from "../Output.ts";

const programOf = (name: string | null | undefined, version: string | null | undefined): string =>
  name == null ? "-" : Output.clip(version == null ? name : `${name} ${version}`, 40);

const placeOf = (machine: string | null, processId: number | null): string =>
  machine === null ? "-" : `${machine}${processId === null ? "" : `:${processId}`}`;

const activeJson = ({ client, machine, processId, seenAt, sessionId, since, tasks, tenant, threads }: Present) => ({
  sessionId,
  tenant,
  client: client?.name ?? null,
  clientVersion: client?.version ?? null,
  machine,
  processId,
  startedAt: since,
  seenAt,
  threads,
  tasks,
});

/** The first few of what a session is in, and how many more. */
const inside = (ids: ReadonlyArray<string>): string => {
  const shown = ids.slice(0, 2).map((id) => Output.clip(id, 36));
  return ids.length === 0 ? "-" : [...shown, ...(ids.length > 2 ? [`+${ids.length - 2}`] : [])].join(" ");
};

const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>) =>
  Effect.forEach(Output.table(header, rows), (text) => Output.line(text), { discard: true });

const listActive = Effect.fnUntraced(function* (input: { readonly limit: number; readonly json: boolean }) {
  const { list } = yield* PresenceBucket;
  const all = (yield* list).toSorted((a, b) => b.since - a.since).slice(0, input.limit);
  if (input.json) return yield* Output.json({ sessions: all.map(activeJson) });
  if (all.length === 0) return yield* Output.note("No session is active; --all lists those that have ended.");
  const rows = all.map(({ client, machine, processId, sessionId, since, tasks, threads }) => [
    Output.moment(since),
    Output.clip(sessionId, 36),
    programOf(client?.name, client?.version),
    placeOf(machine, processId),
    inside(threads),
    inside(tasks),
  ]);
  yield* table(["since (UTC)", "session", "client", "machine", "threads", "tasks"], rows);
});

const stateOf = ({ endedAt, exitCode, leaseMillis, reason }: SessionRow): string => {
  if (endedAt === null) return leaseMillis === null ? "not ended" : "open";
  return Output.clip(exitCode === null ? (reason ?? "ended") : `${reason} ${exitCode}`, 40);
};

const listAll = Effect.fnUntraced(function* (input: { readonly limit: number; readonly json: boolean }) {
  const query = yield* Query;
  const all = yield* query.sessions({ limit: input.limit });
  if (input.json) return yield* Output.json({ sessions: all });
  if (all.length === 0) return yield* Output.note("No sessions.");
  const rows = all.map((row) => [
    Output.moment(row.startedAt),
    Output.moment(row.endedAt),
    Output.clip(row.sessionId, 36),
    programOf(row.client, row.clientVersion),
    placeOf(row.machine, row.processId),
    stateOf(row),
  ]);
  yield* table(["started (UTC)", "ended (UTC)", "session", "client", "machine", "end"], rows);
});

export const sessions = Command.make(
  "sessions",
  {
    all: Flag.Boolean("all").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Also those that have ended, from the database"),
    ),
    limit,
    json,
  },
  Effect.fn("cli.sessions")(function* (input) {
    if (input.all) return yield* readModels(listAll(input));
    return yield* store(Effect.provide(listActive(input), PresenceKv.layer()));
  }),
).pipe(
  Command.withDescription("List the sessions that are active now, latest first"),
  Command.withExamples([
    { command: "recollect sessions", description: "Who is at work, on what, since when" },
    { command: "recollect sessions --all", description: "Every session, and why it ended" },
  ]),
);
