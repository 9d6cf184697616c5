/**
 * Leases of workers that speak HTTP: held by the daemon in their name for as long as they are heard.
 *
 * Room: edge.
 *
 * A lease is named by a handle that says everything of it and is signed with a key of the data folder, so that a daemon that
 * was started again goes on with it and a forged one reaches nothing. A lease in memory spares reading the task again, and
 * tells the queue that a worker holds the claim; a worker that is silent for a lease is forgotten.
 */
import { Context, Effect, Latch, Layer, Schedule, Schema } from "effect";
import { createHmac, timingSafeEqual } from "node:crypto";
import type { TaskLease } from "../../coordination/tasks/TaskLease.ts";
import { Tasks } from "../../coordination/tasks/Tasks.ts";
import * as HttpTokens from "../../log/access/HttpTokens.ts";
import { elapsed } from "../../log/connection/Elapsed.ts";
import { HttpDoor } from "./Guard.ts";
import { refused } from "./Problem.ts";
import { TenantClients } from "./TenantClients.ts";

const Handle = Schema.fromJsonString(
  Schema.Struct({
    tenant: Schema.String,
    taskId: Schema.String,
    token: Schema.Natural,
    agentType: Schema.String,
    receipt: Schema.String,
    leaseMillis: Schema.Finite,
  }),
);
const decode = Schema.decodeUnknownOption(Handle);
const encode = Schema.encodeSync(Handle);

const wrongHandle = refused({
  status: 400,
  code: "lease",
  detail: "This is no lease of this store and tenant.",
  hint: "Give the `lease` of a claim as it came.",
});

interface Held {
  readonly lease: TaskLease;
  /** Lets the tenant's client go. */
  readonly leave: () => void;
  /** Time by a monotonic clock: a wall clock set forward would end all of them. */
  heardAt: number;
}

const lookMillis = 1_000;

export class HeldLeases extends Context.Service<
  HeldLeases,
  {
    /** Holds a lease that was just claimed; the answer is its handle. */
    readonly hold: (tenant: string, lease: TaskLease) => Effect.Effect<string>;
    /** The lease of a handle, held anew when this daemon does not know it. Fails with `LeaseLost` when it stands no more. */
    readonly of: (
      tenant: string,
      handle: string,
    ) => Effect.Effect<TaskLease, Effect.Error<ReturnType<Tasks["Service"]["resume"]>> | typeof wrongHandle, Tasks>;
    /** It is settled, or lost. */
    readonly drop: (tenant: string, lease: TaskLease) => Effect.Effect<void>;
  }
>()("recollect/edge/http/HeldLeases") {}

const keyOf = (tenant: string, { taskId, token }: Pick<TaskLease, "taskId" | "token">) =>
  JSON.stringify([tenant, taskId, token]);

const make = Effect.gen(function* () {
  const { root } = yield* HttpDoor;
  const clients = yield* TenantClients;
  const key = yield* HttpTokens.leaseKey(root);
  const held = new Map<string, Held>();
  /** Open while there is anything to look after. */
  const some = yield* Latch.make(false);

  const signed = (text: string) => createHmac("sha256", key).update(text).digest();
  const read = (tenant: string, handle: string) => {
    const [body = "", signature = ""] = handle.split(".");
    const text = Buffer.from(body, "base64url").toString("utf8");
    const expected = signed(text);
    const given = Buffer.from(signature, "base64url");
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return Effect.fail(wrongHandle);
    return Effect.filterOrFail(
      Effect.mapError(Effect.fromOption(decode(text)), () => wrongHandle),
      (found) => found.tenant === tenant,
      () => wrongHandle,
    );
  };

  const forget = (name: string): void => {
    held.get(name)?.leave();
    held.delete(name);
  };

  const put = Effect.fnUntraced(function* (tenant: string, lease: TaskLease) {
    const heardAt = yield* elapsed;
    const name = keyOf(tenant, lease);
    forget(name);
    held.set(name, { lease, heardAt, leave: clients.enter(tenant)?.leave ?? (() => undefined) });
    yield* some.open;
    return lease;
  });

  const forgotten = Effect.gen(function* () {
    const now = yield* elapsed;
    for (const [name, { heardAt, leave, lease }] of held) {
      if (now - heardAt <= lease.leaseMillis) continue;
      held.delete(name);
      yield* Effect.ensuring(lease.abandon, Effect.sync(leave));
    }
    if (held.size === 0) some.closeUnsafe();
  });
  yield* Effect.forkScoped(Effect.repeat(some.whenOpen(forgotten), Schedule.spaced(lookMillis)));

  return HeldLeases.of({
    hold: Effect.fnUntraced(function* (tenant, lease) {
      yield* put(tenant, lease);
      const { entry, taskId, token } = lease;
      const text = encode({ tenant, taskId, token, ...entry });
      return `${Buffer.from(text).toString("base64url")}.${signed(text).toString("base64url")}`;
    }),
    of: Effect.fnUntraced(function* (tenant, handle) {
      const { agentType, leaseMillis, receipt, taskId, token } = yield* read(tenant, handle);
      const there = held.get(keyOf(tenant, { taskId, token }));
      if (there !== undefined) {
        there.heardAt = yield* elapsed;
        return there.lease;
      }
      const entry = { agentType, leaseMillis, receipt };
      return yield* put(tenant, yield* Tasks.use((tasks) => tasks.resume({ taskId, token, entry })));
    }),
    drop: (tenant, lease) => Effect.sync(() => forget(keyOf(tenant, lease))),
  });
});

export const layer = Layer.effect(HeldLeases, make);
