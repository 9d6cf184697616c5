import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { importPaths } from "../../../src/edge/import/Importer.ts";
import * as World from "../../publish/World.ts";
import * as NatsServer from "../../support/NatsServer.ts";
import { sessionStore, type SessionStoreEntry } from "../../../src/edge/sdk/claude-agent-sdk.ts";
import { Layer } from "effect";
import * as NodeServices from "@effect/platform-node/NodeServices";
import * as History from "../../../src/domain/History.ts";
import { client } from "./SdkWorld.ts";

const world = Layer.mergeAll(World.natsLog, NodeServices.layer).pipe(
  Layer.provideMerge(NatsServer.layer({ stream: true })),
);

const line = (sessionId: string, uuid: string, text: string): SessionStoreEntry => ({
  parentUuid: null,
  type: "user",
  message: { role: "user", content: text },
  uuid,
  timestamp: "2026-11-30T08:00:00.000Z",
  cwd: "/home/ana/app",
  sessionId,
  version: "2.1.0",
});
const title = (sessionId: string): SessionStoreEntry => ({ type: "custom-title", customTitle: "Rain", sessionId });

/** As the SDK exports it, in small: the first prompt holds, the last title holds. */
const foldSessionSummary = (
  previous: { sessionId: string; mtime: number; data: Record<string, unknown> } | undefined,
  key: { sessionId: string },
  entries: Array<SessionStoreEntry>,
  options: { mtime?: number } = {},
) => ({
  sessionId: key.sessionId,
  mtime: options.mtime ?? previous?.mtime ?? 0,
  data: entries.reduce<Record<string, unknown>>(
    (data, entry) => ({
      ...data,
      ...(entry.type === "custom-title" ? { title: entry["customTitle"] } : {}),
      ...(entry.type === "user" && data["first"] === undefined ? { first: entry.uuid } : {}),
    }),
    previous?.data ?? {},
  ),
});

layer(world, { excludeTestServices: true })("the Claude Agent SDK's SessionStore", (it) => {
  it.effect("keeps the contract of the SDK's interface", () =>
    Effect.gen(function* () {
      const store = sessionStore(yield* client);
      const session = randomUUID();
      const key = { projectKey: "-home-ana-app", sessionId: session };
      const first = [line(session, "u1", "one"), title(session), line(session, "u2", "two")];
      const second = [title(session), line(session, "u3", "three"), { type: "mode", b: 1, a: [null, { c: 1.5 }] }];
      yield* Effect.promise(async () => {
        assert.isNull(await store.load(key), "null for what was never written");
        await store.append(key, []);
        assert.isNull(await store.load(key), "nothing is appended by nothing");
        await store.append(key, first);
        assert.deepStrictEqual(await store.load(key), first);
        await store.append(key, second);
        assert.deepStrictEqual(await store.load(key), [...first, ...second], "appends stand in their order");
        await store.append(key, [line(session, "u1", "one"), line(session, "u4", "four")]);
        const all = [...first, ...second, line(session, "u4", "four")];
        assert.deepStrictEqual(await store.load(key), all, "a uuid that is there adds nothing");

        const sub = { ...key, subpath: "subagents/agent-7" };
        await store.append(sub, [line(session, "s1", "for the agent")]);
        assert.lengthOf((await store.load(sub)) ?? [], 1);
        assert.deepStrictEqual(await store.load(key), all, "a subpath is a transcript of its own");
        const orphan = { ...key, sessionId: randomUUID(), subpath: "subagents/agent-8" };
        await store.append(orphan, [line(orphan.sessionId, "s2", "no main transcript")]);
        assert.deepStrictEqual(await store.listSubkeys(key), ["subagents/agent-7"]);

        const elsewhere = { ...key, projectKey: "-home-ana-other" };
        assert.isNull(await store.load(elsewhere), "another project does not see it");
        await store.append(elsewhere, [line(session, "u1", "another one")]);
        assert.deepStrictEqual(await store.load(elsewhere), [line(session, "u1", "another one")]);
        assert.deepStrictEqual(await store.load(key), all);

        const sessions = await store.listSessions("-home-ana-app");
        assert.deepStrictEqual(
          sessions.map(({ sessionId }) => sessionId),
          [session],
          "no session of sub-agents only",
        );
        assert.isTrue(
          Number.isInteger(sessions[0]?.mtime) && Math.abs(Date.now() - (sessions[0]?.mtime ?? 0)) < 60_000,
        );
        assert.deepStrictEqual(await store.listSessions("-nowhere"), []);
        assert.isUndefined(store.listSessionSummaries);

        await store.delete({ ...key, sessionId: randomUUID() });
        await store.delete(sub);
        assert.isNull(await store.load(sub));
        assert.deepStrictEqual(await store.load(key), all, "a subpath is deleted alone");
        await store.append(sub, [line(session, "s1", "for the agent")]);
        assert.lengthOf((await store.load(sub)) ?? [], 1, "what is appended after a deletion is there");
        await store.delete(key);
        assert.isNull(await store.load(key));
        assert.isNull(await store.load(sub), "a session is deleted with its sub-agents");
        assert.deepStrictEqual(await store.listSessions("-home-ana-app"), []);
        assert.deepStrictEqual(await store.listSubkeys(key), []);
        assert.lengthOf((await store.load(elsewhere)) ?? [], 1);
      });
    }),
  );

  it.effect("lets two machines write and resume one session, each entry once, eagerly and in batches", () =>
    Effect.gen(function* () {
      const one = sessionStore(yield* client);
      const two = sessionStore(yield* client, { foldSessionSummary });
      const session = randomUUID();
      const key = { projectKey: "p", sessionId: session };
      const lines = (from: string, count: number) =>
        Array.from({ length: count }, (_, at) => line(session, `${from}${at}`, `${from} ${at}`));
      yield* Effect.promise(async () => {
        const eager = lines("eager", 20).map((entry) => one.append(key, [entry]));
        const batched = [two.append(key, [...lines("batch", 30), title(session)]), two.append(key, [title(session)])];
        await Promise.all([...eager, ...batched]);
        const [seenByOne, seenByTwo] = await Promise.all([one.load(key), two.load(key)]);
        assert.deepStrictEqual(seenByOne, seenByTwo);
        const uuids = (seenByOne ?? []).map(({ uuid }) => uuid);
        const of = (from: string) => uuids.filter((uuid) => uuid?.startsWith(from));
        assert.deepStrictEqual(
          of("eager"),
          lines("eager", 20).map(({ uuid }) => uuid),
        );
        assert.deepStrictEqual(
          of("batch"),
          lines("batch", 30).map(({ uuid }) => uuid),
        );
        assert.lengthOf(uuids, 52, "both titles are there");
        const [listed] = await one.listSessions("p");
        assert.deepStrictEqual(await two.listSessionSummaries?.("p"), [
          { sessionId: session, mtime: listed?.mtime ?? 0, data: { first: uuids[0], title: "Rain" } },
        ]);
      });
    }),
  );

  it.effect("writes what an import of the same transcript writes: whichever comes second adds nothing", () =>
    Effect.gen(function* () {
      const recollect = yield* client;
      const store = sessionStore(recollect);
      const folder = yield* World.temporaryFolder;
      const session = randomUUID();
      const key = { projectKey: "-home-ana-app", sessionId: session };
      const agent = { ...key, subpath: "subagents/agent-a1" };
      const main = [line(session, "m1", "one"), title(session), title(session), line(session, "m2", "ü \u2028 1e21")];
      const inner = [{ ...line(session, "a1", "inner"), isSidechain: true, agentId: "a1" }];
      const write = (name: string, entries: ReadonlyArray<unknown>) =>
        writeFileSync(`${folder}/${name}`, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
      mkdirSync(`${folder}/${session}/subagents`, { recursive: true });
      write(`${session}.jsonl`, main.slice(0, 2));
      yield* importPaths({ paths: [folder] });
      yield* Effect.promise(async () => {
        assert.deepStrictEqual(await store.load(key), main.slice(0, 2), "what an import brought can be resumed");
        assert.isNull(await store.load({ ...key, projectKey: "-home-ana-other" }));
        await store.append(key, [line(session, "m1", "one"), title(session), line(session, "m2", "ü \u2028 1e21")]);
        await store.append(agent, inner);
        assert.deepStrictEqual(await store.load(key), main);
      });
      write(`${session}.jsonl`, main);
      write(`${session}/subagents/agent-a1.jsonl`, inner);
      const report = yield* importPaths({ paths: [folder] });
      assert.deepInclude(report, { eventsAppended: 0, duplicates: 5 });
      const events = yield* World.eventsOf(History.thread(session));
      assert.lengthOf(
        events.filter(({ type }) => type === "thread.entry_recorded"),
        4,
      );
      const view = yield* Effect.promise(() => recollect.thread(session).read());
      assert.deepStrictEqual(
        view?.messages.map(({ text }) => text),
        ["one", "ü \u2028 1e21"],
      );
    }),
  );

  it.effect("keeps entries on this machine while the log is away, and entries of any size", () =>
    Effect.gen(function* () {
      const server = yield* NatsServer.NatsServer;
      const store = sessionStore(yield* client);
      const session = randomUUID();
      const key = { projectKey: "p2", sessionId: session };
      const large = line(session, "large", "x".repeat(1_500_000));
      yield* Effect.promise(() => store.append(key, [line(session, "w1", "before"), large]));
      yield* server.stop;
      yield* Effect.promise(() => store.append(key, [line(session, "w2", "while away"), title(session)]));
      const failed = yield* Effect.flip(Effect.tryPromise(() => store.load(key)));
      assert.deepInclude(failed.cause, { code: "LogUnavailable" });
      yield* server.start;
      const all = [line(session, "w1", "before"), large, line(session, "w2", "while away"), title(session)];
      yield* World.until(
        Effect.tryPromise(() => store.load(key)).pipe(
          Effect.map((loaded) => loaded?.length === all.length),
          Effect.orElseSucceed(() => false),
        ),
      );
      yield* Effect.promise(async () => {
        await store.append(key, [line(session, "w3", "after")]);
        assert.deepStrictEqual(await store.load(key), [...all, line(session, "w3", "after")]);
        assert.deepStrictEqual((await store.listSessions("p2")).length, 1);
      });
    }),
  );
});
