/**
 * `POST /hooks/AGENT`: what agents' hooks say, answered within milliseconds and never with a word that changes the agent.
 *
 * Room: edge.
 *
 * The body is the payload as the agent makes it. `?event=NAME` names the event for agents that do not; `?brief=1` asks for a
 * brief at a session's start. The answer is `{}` or that brief; the header `recollect-kept` says whether it is on disk.
 */
import { Effect, Layer } from "effect";
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http";
import { type HookAgent, hookAgents } from "../../domain/interpret/hooks/hookEvent.ts";
import { queryOf } from "../http/Address.ts";
import { shallowText } from "../http/Depth.ts";
import { authenticated, requireRole } from "../http/Guard.ts";
import { orProblem } from "../http/handlers/Answer.ts";
import type { HotRoute } from "../http/hot/HotRoutes.ts";
import { refused } from "../http/Problem.ts";
import { TenantClients } from "../http/TenantClients.ts";
import * as HookDoor from "./HookDoor.ts";

const noAgent = (name: string) =>
  refused({
    status: 404,
    code: "agent",
    detail: `No hooks of ${JSON.stringify(name)} are understood.`,
    hint: `These are: ${hookAgents.join(", ")}.`,
  });

const noPayload = (why: string) =>
  refused({ status: 400, code: "payload", detail: `${why}.`, hint: "Post what the agent gives its hook, as it is." });

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

interface Posted {
  readonly agent: HookAgent;
  readonly payload: unknown;
  readonly event?: string | undefined;
  readonly isBriefed?: boolean | undefined;
}

/** The answer to a hook, of a tenant whose client is at hand. */
const answerTo = (
  door: HookDoor.HookDoor["Service"],
  { agent, event, isBriefed = false, payload }: Posted,
  { client, tenant }: Pick<HookDoor.Told, "client" | "tenant">,
) =>
  door.tell({ agent, tenant, client, payload, event, isBriefed }).pipe(
    Effect.mapError(noPayload),
    Effect.map(({ body, kept }) =>
      HttpServerResponse.jsonUnsafe(body, {
        headers: {
          "cache-control": "no-store",
          ...(kept === undefined ? {} : { "recollect-kept": kept ? "yes" : "later" }),
        },
      }),
    ),
  );

const agentOf = (name: string): HookAgent | undefined => hookAgents.find((one) => one === name);

const told = Effect.fnUntraced(function* (door: HookDoor.HookDoor["Service"]) {
  const { tenant } = yield* requireRole("publisher");
  const request = yield* HttpServerRequest.HttpServerRequest;
  const { agent: name = "" } = yield* HttpRouter.params;
  const agent = agentOf(name);
  if (agent === undefined) return yield* noAgent(name);
  const query = queryOf(request.url);
  const client = yield* (yield* TenantClients).of(tenant);
  const payload = parsed(yield* shallowText(request));
  const posted = { agent, payload, event: query.get("event") ?? undefined, isBriefed: query.get("brief") === "1" };
  return yield* answerTo(door, posted, { client, tenant });
});

export const layer = Layer.unwrap(
  Effect.map(HookDoor.HookDoor, (door) => HttpRouter.add("POST", "/hooks/:agent", told(door))),
).pipe(Layer.provide(authenticated));

/** Hooks that name neither event nor brief in their address, which is all of Claude Code's but a session's start. */
export const hot = (door: HookDoor.HookDoor["Service"]): HotRoute => ({
  method: "POST",
  path: /^\/hooks\/([\w-]+)$/,
  needs: "publisher",
  answer: ({ body, client, id, tenant }) => {
    const agent = agentOf(id);
    if (agent === undefined || body === undefined) return undefined;
    return orProblem(answerTo(door, { agent, payload: body }, { client, tenant }));
  },
});
