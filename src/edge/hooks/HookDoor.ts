/**
 * The way of hooks' events into the store: accepted at once, written beside, bounded.
 *
 * Room: edge.
 *
 * Promises: a hook is answered when its entry is on disk, in the log or the spool, or after `patienceMillis`, whichever is
 * first; what is still on its way then goes on; beyond `mostWaiting` of them one is dropped, counted and logged, so that a
 * store in trouble costs an agent nothing. A hook that names its call is one event, however often it is sent.
 */
import { Clock, Context, Effect, Fiber, FiberSet, Layer, Option, type Scope } from "effect";
import { levelOf } from "../../domain/audit/AuditPolicy.ts";
import { thread } from "../../domain/History.ts";
import { momentOf, type HookAgent } from "../../domain/interpret/hooks/hookEvent.ts";
import { Publisher } from "../../publish/Publisher.ts";
import { contextAnswer } from "./HookAnswer.ts";
import { prepare } from "./HookBrief.ts";
import { audited, hookEntry, type HookEntry, toolOf } from "./HookEntry.ts";
import { type Client, TenantClients } from "../http/TenantClients.ts";

/** Of the 5 ms that a hook may take. */
const patienceMillis = 3;
/** Entries of at most some 100 KB each. */
const mostWaiting = 1_000;
/** Briefs are prepared again after a session's turn, at most so often. */
const briefMillis = 10_000;
/** The first session of a daemon's life waits so long for its brief, where it asks for one. */
const firstBriefMillis = 100;
/** Patience for what is on its way when the door closes, milliseconds. */
const closeMillis = 3_000;

export interface Told {
  readonly agent: HookAgent;
  readonly payload: unknown;
  /** The event, where the address names it. */
  readonly event: string | undefined;
  readonly tenant: string;
  readonly isBriefed: boolean;
  readonly client: Context.Context<Client>;
}

export interface HookAnswer {
  /** True when the entry is on disk; undefined for one that is answered and not kept. */
  readonly kept: boolean | undefined;
  readonly body: object;
}

export class HookDoor extends Context.Service<
  HookDoor,
  {
    /** Fails with a sentence for what is no hook's payload. */
    readonly tell: (told: Told) => Effect.Effect<HookAnswer, string>;
    readonly counts: () => { readonly taken: number; readonly dropped: number; readonly waiting: number };
  }
>()("recollect/edge/hooks/HookDoor") {}

interface Briefs {
  preparedAt: number;
  isPreparing: boolean;
  byFolder: ReadonlyMap<string, string>;
}

const write = (agent: HookAgent, tenant: string, { data, id, threadId }: HookEntry) =>
  Effect.flatMap(Publisher, (publisher) => {
    const level = levelOf(publisher.policy().audit, { agent, ...toolOf(data.entry) });
    if (level === "None") return Effect.void;
    return publisher.publish({
      history: thread(threadId, tenant),
      type: "thread.entry_recorded",
      data: { ...data, entry: audited(data.entry, level) },
      source: `recollect/hooks/${agent}`,
      ...(id === undefined ? {} : { id }),
    });
  });

export const make: Effect.Effect<HookDoor["Service"], never, Scope.Scope | TenantClients> = Effect.gen(function* () {
  const clients = yield* TenantClients;
  const fibers = yield* FiberSet.make<unknown>();
  yield* Effect.addFinalizer(() => Effect.timeoutOption(FiberSet.awaitEmpty(fibers), closeMillis));
  const briefs = new Map<string, Briefs>();
  let waiting = 0;
  let taken = 0;
  let dropped = 0;

  /** Runs an effect beside the answer; the tenant's client is in use meanwhile. */
  const beside = <A>({ tenant }: Told, effect: Effect.Effect<A>) => {
    const inUse = clients.enter(tenant);
    return FiberSet.run(fibers, inUse === undefined ? effect : Effect.ensuring(effect, Effect.sync(inUse.leave)));
  };

  const refresh = Effect.fnUntraced(function* ({ client, tenant }: Told) {
    const known = briefs.get(tenant) ?? { preparedAt: -briefMillis, isPreparing: false, byFolder: new Map() };
    briefs.set(tenant, known);
    const now = yield* Clock.currentTimeMillis;
    if (known.isPreparing || now - known.preparedAt < briefMillis) return;
    known.isPreparing = true;
    yield* prepare(tenant).pipe(
      Effect.provideContext(client),
      Effect.tap((byFolder) => Effect.sync(() => Object.assign(known, { byFolder, preparedAt: now }))),
      Effect.catchCause((cause) => Effect.logDebug("no briefs could be prepared", cause)),
      Effect.ensuring(Effect.sync(() => (known.isPreparing = false))),
    );
  });

  const record = Effect.fnUntraced(function* (told: Told, entry: HookEntry) {
    if (waiting >= mostWaiting) {
      dropped++;
      if (dropped % mostWaiting === 1)
        yield* Effect.logWarning(`${dropped} entries of hooks were dropped: the store is slow`);
      return false;
    }
    waiting++;
    const written = write(told.agent, told.tenant, entry).pipe(
      Effect.provideContext(told.client),
      Effect.map(() => {
        taken++;
        return true;
      }),
      Effect.catchCause((cause) =>
        Effect.as(
          Effect.andThen(
            Effect.sync(() => dropped++),
            Effect.logWarning(`a hook of ${told.agent} is not kept`, cause),
          ),
          false,
        ),
      ),
      Effect.ensuring(Effect.sync(() => waiting--)),
    );
    const fiber = yield* beside(told, written);
    const ended = yield* Effect.timeoutOption(Fiber.join(fiber), patienceMillis);
    return Option.getOrElse(ended, () => false);
  });

  return HookDoor.of({
    counts: () => ({ taken, dropped, waiting }),
    tell: Effect.fnUntraced(function* (told: Told) {
      // Entries of transcripts stay as they came; a hook speaks as a publisher does. Before it is cut, so that no secret is halved.
      const { stored } = Context.get(told.client, Publisher).policy();
      const entry = hookEntry(told.agent, stored?.value(told.payload) ?? told.payload, told.event);
      if (typeof entry === "string") return yield* Effect.fail(entry);
      if (entry === undefined) return { kept: undefined, body: {} };
      const kept = yield* record(told, entry);
      const moment = momentOf(entry.event);
      if (!told.isBriefed) return { kept, body: {} };
      // The words of this turn are told to the next session.
      if (moment !== "toolCalled" && moment !== "toolReturned") {
        const isFirst = !briefs.has(told.tenant);
        const fiber = yield* beside(told, refresh(told));
        if (isFirst) yield* Effect.timeoutOption(Fiber.join(fiber), firstBriefMillis);
      }
      const { cwd } = entry.data.entry as { readonly cwd?: unknown };
      const brief = moment === "sessionStarted" ? briefs.get(told.tenant)?.byFolder.get(String(cwd)) : undefined;
      return { kept, body: brief === undefined ? {} : contextAnswer(told.agent, entry.event, brief) };
    }),
  });
});

export const layer = Layer.effect(HookDoor, make);
