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
import { hookAgents } from "../../domain/interpret/hooks/hookEvent.ts";
import { queryOf } from "../http/Address.ts";
import { shallowText } from "../http/Depth.ts";
import { authenticated, requireRole } from "../http/Guard.ts";
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

const told = Effect.fnUntraced(function* (door: HookDoor.HookDoor["Service"]) {
  const { tenant } = yield* requireRole("publisher");
  const request = yield* HttpServerRequest.HttpServerRequest;
  const { agent: name = "" } = yield* HttpRouter.params;
  const agent = hookAgents.find((one) => one === name);
  if (agent === undefined) return yield* noAgent(name);
  const query = queryOf(request.url);
  const client = yield* (yield* TenantClients).of(tenant);
  const { body, kept } = yield* door
    .tell({
      agent,
      tenant,
      client,
      payload: parsed(yield* shallowText(request)),
      event: query.get("event") ?? undefined,
      isBriefed: query.get("brief") === "1",
    })
    .pipe(Effect.mapError(noPayload));
  return HttpServerResponse.jsonUnsafe(body, {
    headers: {
      "cache-control": "no-store",
      ...(kept === undefined ? {} : { "recollect-kept": kept ? "yes" : "later" }),
    },
  });
});

export const layer = Layer.unwrap(
  Effect.map(HookDoor.HookDoor, (door) => HttpRouter.add("POST", "/hooks/:agent", told(door))),
).pipe(Layer.provide(authenticated), Layer.provide(HookDoor.layer));
