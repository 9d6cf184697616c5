/**
 * Sessions and inboxes over HTTP.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import { Inbox } from "../../../coordination/inbox/Inbox.ts";
import type { Joinable } from "../../../coordination/sessions/Sessions.ts";
import { Sessions } from "../../../coordination/sessions/Sessions.ts";
import { Query } from "../../../query/Query.ts";
import { Api } from "../api/Api.ts";
import { Principal } from "../Guard.ts";
import { HeldSessions, leaseMillis } from "../HeldSessions.ts";
import { refused } from "../Problem.ts";
import { answer, given, json, reading } from "./Answer.ts";

const joinOne = refused({ status: 400, code: "schema", detail: "This verb needs `thread` or `task`." });

const joinable = ({ task, thread }: { readonly thread?: string | undefined; readonly task?: string | undefined }) => {
  if (thread !== undefined) return Effect.succeed<Joinable>({ thread });
  return task === undefined ? Effect.fail(joinOne) : Effect.succeed<Joinable>({ task });
};

export const sessions = HttpApiBuilder.group(Api, "sessions", (handlers) =>
  handlers.handleAll({
    active: () =>
      answer(
        Effect.map(
          Sessions.use(({ active }) => active),
          (found) => json({ sessions: found }),
        ),
      ),
    register: ({ payload }) =>
      answer(
        Effect.gen(function* () {
          const { name, tenant } = yield* Principal;
          const held = yield* HeldSessions.use((all) => all.register(tenant, given(payload), `http/${name}`));
          return json({ id: held.id, leaseMillis }, { status: 201 });
        }),
      ),
    move: ({ params: { id, verb }, payload }) =>
      answer(
        Effect.gen(function* () {
          const { tenant } = yield* Principal;
          const all = yield* HeldSessions;
          const held = yield* all.of(tenant, id);
          if (verb === "join") yield* held.join(yield* joinable(payload));
          if (verb === "leave") yield* held.leave(yield* joinable(payload));
          if (verb === "end")
            yield* all.end(tenant, id, { reason: payload.reason ?? "ended", exitCode: payload.exitCode });
          return json({ id, leaseMillis });
        }),
      ),
  }),
);

export const inbox = HttpApiBuilder.group(Api, "inbox", (handlers) =>
  handlers.handleAll({
    waiting: ({ params }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.waiting(params.name)),
          (messages) => json({ messages }),
        ),
      ),
    send: ({ params, payload: { replyWithinMillis, ...message } }) =>
      answer(
        Effect.gen(function* () {
          const all = yield* Inbox;
          const sending = { ...message, to: params.name };
          if (replyWithinMillis === undefined) return json({ id: yield* all.send(sending) }, { status: 201 });
          const reply = yield* all.request({ ...sending, ttlMillis: replyWithinMillis });
          return json({ id: reply.inReplyTo ?? "", reply }, { status: 201 });
        }),
      ),
    take: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.take({ ...payload, name: params.name })),
          (found) => (Option.isSome(found) ? json(found.value) : HttpServerResponse.empty({ status: 204 })),
        ),
      ),
    acknowledge: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.acknowledge({ ...params, ...payload })),
          (acknowledged) => json({ acknowledged }),
        ),
      ),
    release: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.release({ ...params, ...payload })),
          (released) => json({ released }),
        ),
      ),
    extend: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.extend({ ...params, ...payload })),
          (receipt) => json({ receipt }),
        ),
      ),
    dead: ({ params }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.dead(params.name)),
          (letters) => json({ letters }),
        ),
      ),
    retry: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.retry({ ...params, ...payload })),
          (messages) => json({ messages }),
        ),
      ),
    reply: ({ params, payload }) =>
      answer(
        Effect.map(
          Inbox.use((all) => all.reply({ ...params, ...payload })),
          (id) => json({ id }, { status: 201 }),
        ),
      ),
  }),
);

export const sessionHistory = HttpApiBuilder.group(Api, "sessionHistory", (handlers) =>
  handlers.handle("list", ({ query }) =>
    reading(
      Effect.gen(function* () {
        const { tenant } = yield* Principal;
        const { histories, next } = yield* Query.use((reads) => reads.histories({ kind: "session", tenant, ...query }));
        return json({ sessions: histories, ...given({ next }) });
      }),
    ),
  ),
);
