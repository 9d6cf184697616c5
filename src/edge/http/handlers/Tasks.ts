/**
 * Tasks over HTTP: the work queue for workers in any language.
 *
 * Room: edge.
 */
import { Effect, Option, Stream } from "effect";
import { HttpServerResponse } from "effect/http";
import { HttpApiBuilder } from "effect/http-api";
import type { TaskLease } from "../../../coordination/tasks/TaskLease.ts";
import * as DeadLetters from "../../../coordination/tasks/DeadLetters.ts";
import { Tasks } from "../../../coordination/tasks/Tasks.ts";
import { Query } from "../../../query/Query.ts";
import { Api } from "../api/Api.ts";
import { Principal } from "../Guard.ts";
import { HeldLeases } from "../HeldLeases.ts";
import { refused } from "../Problem.ts";
import { answer, given, json, reading } from "./Answer.ts";

const usualWaitMillis = 20_000;
const usualPage = 50;

const leased = (lease: TaskLease, handle: string) => {
  const { attempt, leaseMillis, maxAttempts, submitted, taskId, token } = lease;
  return json({ taskId, lease: handle, token, attempt, maxAttempts, leaseMillis, request: submitted.request });
};

const claim = Effect.fnUntraced(function* (asked: {
  readonly agentTypes: ReadonlyArray<string>;
  readonly worker?: string | undefined;
  readonly waitMillis?: number | undefined;
  readonly begin?: "starting" | "running" | undefined;
}) {
  const { name, tenant } = yield* Principal;
  const { agentTypes, begin, waitMillis = usualWaitMillis, worker = name } = asked;
  const leases = yield* HeldLeases;
  const got = yield* Tasks.use((tasks) => tasks.claim({ agentTypes, worker, begin })).pipe(
    Effect.timeoutOption(waitMillis),
  );
  if (Option.isNone(got)) return HttpServerResponse.empty({ status: 204 });
  return leased(got.value, yield* leases.hold(tenant, got.value));
});

interface Said {
  readonly lease: string;
  readonly output?: unknown;
  readonly error?: { readonly type: string; readonly message?: string | undefined } | undefined;
  readonly retry?: "never" | undefined;
  readonly message?: string | undefined;
  readonly progress?: number | undefined;
  readonly total?: number | undefined;
  readonly key?: string | undefined;
  readonly schema?: Readonly<Record<string, unknown>> | undefined;
  readonly waitMillis?: number | undefined;
  readonly afterMillis?: number | undefined;
  readonly delayMillis?: number | undefined;
  readonly text?: string | undefined;
  readonly stream?: "stdout" | "stderr" | undefined;
}

const missing = (field: string) => refused({ status: 400, code: "schema", detail: `This verb needs \`${field}\`.` });

/** Actions of the verbs, each with whether it settles the task. */
const acts = {
  heartbeat: (lease: TaskLease) => lease.heartbeat,
  start: (lease: TaskLease) => lease.start,
  progress: (lease: TaskLease, { message, progress, total }: Said) => lease.progress({ message, progress, total }),
  complete: (lease: TaskLease, { output }: Said) => lease.complete(output),
  fail: (lease: TaskLease, { error, retry }: Said) =>
    error === undefined ? Effect.fail(missing("error")) : lease.fail(error, { retry }),
  "time-out": (lease: TaskLease, { afterMillis }: Said) =>
    afterMillis === undefined ? Effect.fail(missing("afterMillis")) : lease.timeOut(afterMillis),
  release: (lease: TaskLease) => lease.release,
  defer: (lease: TaskLease, { delayMillis, message }: Said) =>
    delayMillis === undefined ? Effect.fail(missing("delayMillis")) : lease.defer(delayMillis, message),
  log: (lease: TaskLease, { stream = "stderr", text }: Said) =>
    text === undefined ? Effect.fail(missing("text")) : lease.log({ stream, text }),
} as const;

const settles = new Set<string>(["complete", "fail", "time-out", "release", "defer"]);

/** Beats of the lease while a request waits: its worker is there, and can say nothing else meanwhile. */
const beats = 3;

/** Asks, and waits for the answer for a while; asked again under the same key it goes on waiting. */
const asking = Effect.fnUntraced(function* (lease: TaskLease, said: Said) {
  const { key, message, schema, waitMillis = usualWaitMillis } = said;
  if (message === undefined) return yield* missing("message");
  const { tenant } = yield* Principal;
  const leases = yield* HeldLeases;
  const beat = Effect.andThen(leases.of(tenant, said.lease), lease.heartbeat);
  const kept = Effect.forever(Effect.delay(beat, lease.leaseMillis / beats));
  const answered = yield* lease
    .requestInput(message, { key, schema })
    .pipe(Effect.raceFirst(kept), Effect.timeoutOption(waitMillis));
  return json(
    Option.match(answered, {
      onNone: () => ({ answered: false }),
      onSome: (given_) => ({ answered: true, answer: given_ }),
    }),
  );
});

const act = Effect.fnUntraced(function* (verb: keyof typeof acts | "ask", said: Said) {
  const { tenant } = yield* Principal;
  const leases = yield* HeldLeases;
  const lease = yield* leases.of(tenant, said.lease);
  if (verb === "ask") return yield* asking(lease, said);
  const done: Effect.Effect<void, unknown> = acts[verb](lease, said);
  yield* Effect.tapError(done, (error) =>
    typeof error === "object" && error !== null && "_tag" in error && error._tag === "LeaseLost"
      ? leases.drop(tenant, lease)
      : Effect.void,
  );
  if (settles.has(verb)) yield* leases.drop(tenant, lease);
  return json({ taskId: lease.taskId, leaseMillis: lease.leaseMillis });
});

const show = Effect.fnUntraced(function* (taskId: string, waitMillis: number | undefined) {
  const tasks = yield* Tasks;
  if (waitMillis === undefined || waitMillis === 0) return json(yield* tasks.show(taskId));
  const ended = yield* Effect.timeoutOption(tasks.result(taskId), waitMillis);
  return json(Option.isSome(ended) ? ended.value : yield* tasks.show(taskId));
});

const logs = Effect.fnUntraced(function* (taskId: string, attempt: number | undefined) {
  const tasks = yield* Tasks;
  const wanted = attempt ?? (yield* tasks.show(taskId)).attempt;
  const pieces = Stream.filter(tasks.logs(taskId), (piece) => piece.attempt === null || piece.attempt === wanted);
  return json({ logs: yield* Stream.runCollect(pieces) });
});

const listSql = `SELECT * FROM v_tasks WHERE tenant = :tenant AND (:status IS NULL OR status = :status)
  AND (:agentType IS NULL OR agent_type = :agentType) AND (:batch IS NULL OR batch_id = :batch)
  AND (:parent IS NULL OR parent_task_id = :parent)
  AND (:deadLetters IS NULL OR dead_letter = :deadLetters) ORDER BY last_activity_at DESC LIMIT :limit`;

const list = Effect.fnUntraced(function* (query: {
  readonly status?: string | undefined;
  readonly agentType?: string | undefined;
  readonly batch?: string | undefined;
  readonly parent?: string | undefined;
  readonly limit?: number | undefined;
  readonly deadLetters?: "true" | "false" | undefined;
}) {
  const { tenant } = yield* Principal;
  const { agentType = null, batch = null, deadLetters, limit = usualPage, parent = null, status = null } = query;
  const dead = deadLetters === undefined ? null : deadLetters === "true" ? 1 : 0;
  const values = { tenant, status, agentType, batch, parent, limit, deadLetters: dead };
  const { columns, rows } = yield* Query.use((reads) => reads.sql(listSql, values));
  const found = yield* Stream.runCollect(rows);
  return json({ tasks: found.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null]))) });
}, Effect.scoped);

const use = <A, E, R>(act_: (tasks: Tasks["Service"]) => Effect.Effect<A, E, R>, status = 200) =>
  answer(Effect.map(Tasks.use(act_), (found) => json(found, { status })));

export const tasks = HttpApiBuilder.group(Api, "tasks", (handlers) =>
  handlers.handleAll({
    list: ({ query }) => reading(list(query)),
    submit: ({ payload: { request, ...submission } }) => use((all) => all.submit(request, submission), 201),
    submitBatch: ({ payload: { requests, ...batch } }) => use((all) => all.submitBatch(requests, batch), 201),
    batch: ({ params }) => use((all) => all.batch(params.id)),
    show: ({ params, query }) => answer(show(params.id, query.waitMillis)),
    logs: ({ params, query }) => answer(logs(params.id, query.attempt)),
    claim: ({ payload }) => answer(claim(payload)),
    lease: ({ params, payload }) => answer(act(params.verb, payload)),
    retryAll: ({ payload: { apply, ...which } }) =>
      answer(
        Effect.gen(function* () {
          const { tenant } = yield* Principal;
          const found = yield* DeadLetters.find(which, tenant);
          return json({ deadLetters: apply === true ? yield* DeadLetters.retry(found) : found });
        }),
      ),
    queues: () =>
      answer(
        Effect.map(
          Tasks.use((all) => all.queues),
          (queues) => json({ queues: Object.fromEntries(queues) }),
        ),
      ),
    setQueue: ({ params, payload: { why, ...change } }) =>
      answer(
        Effect.gen(function* () {
          const { name: who } = yield* Principal;
          return json(yield* Tasks.use((all) => all.setQueue(params.id, change, { who, why: why ?? undefined })));
        }),
      ),
    move: ({ params: { id, verb }, payload: { reason, ...said } }) => {
      switch (verb) {
        case "cancel":
          return use((all) => all.cancel(id, reason));
        case "restore":
          return use((all) => all.restore(id, reason));
        case "retry":
          return use((all) => all.retry(id), 201);
        case "answer":
          return use((all) => all.provideInput(id, given(said)));
      }
    },
  }),
);
