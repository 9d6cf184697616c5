/**
 * The state of a thread: what its events come to, in a size that does not grow with their number.
 *
 * Room: domain.
 *
 * Pure and total: `apply` never throws. Folding some events and then the rest is folding all of them; an event that
 * was folded already changes nothing. So a state that was stored may stand for the events before it.
 *
 * Decision: a counter counts only what can be counted exactly in bounded memory, that is events and facts. How many
 * different messages and calls there are, and how many tokens were used, takes the memory of every id (the same
 * message, call and usage may be told again at any distance): the read models count those. While nothing has left the
 * window its entries are the exact count.
 */
import { Result, Schema } from "effect";
import { headOf, jsonBytes, own, present, shortId } from "../Truncate.ts";
import { Program } from "./Content.ts";
import type { RecordedEvent } from "../Event.ts";
import type { Fact, MessageSaid, ThreadDescribed, VisibilityChanged } from "../Fact.ts";
import { History, Sequence } from "../History.ts";
import { factsOf } from "../Interpret.ts";
import { type Carry, type Interpretation, noCarry } from "../interpret/Interpreter.ts";
import { isObject } from "../Json.ts";
import * as Window from "./ThreadWindow.ts";
import type { Refusal } from "../Upcast.ts";

/**
 * Raised whenever the same events may fold to another state: a change here, in the window, in `Canonical.ts`, in an
 * interpreter. Snapshots of another version are not read. `Thread.test.ts` holds a digest that notices.
 */
export const foldVersion = 9;

/** One field of the metadata: a path may have 4,096 bytes, everything else is shorter. */
const metadataBytes = 4096;
const tagBytes = 256;
const mostTags = 64;
/** Most bytes that an interpreter may remember: a few short strings. A larger carry is not taken and the state says so. */
const carryBytes = 8 * 1024;
const reasonBytes = 1024;
/** The stored state is never larger, whatever was appended: the limits above and of the window, and some air. */
export const maxStateBytes = 192 * 1024;

const text = Schema.optionalKey(Schema.String);

export const ThreadMetadata = Schema.Struct({
  title: text,
  tool: text,
  client: Schema.optionalKey(Program),
  provider: text,
  model: text,
  cwd: text,
  branch: text,
  session: text,
  parentThreadId: text,
  /** In the order they were added. */
  tags: Schema.Array(Schema.String),
  /** Tags that found no room beyond the first 64. */
  tagsOmitted: Schema.Natural,
  archived: Schema.Boolean,
  /** Time of deletion; absent while it is not deleted. Epoch milliseconds, as all times here. */
  deletedAt: Schema.optionalKey(Schema.Finite),
  /** From when on it is hidden as if deleted. */
  expiresAt: Schema.optionalKey(Schema.Finite),
  /** The earliest and the latest time that is said of an event, none in the future, epoch milliseconds. */
  openedAt: Schema.optionalKey(Schema.Finite),
  lastActivityAt: Schema.optionalKey(Schema.Finite),
});
export type ThreadMetadata = typeof ThreadMetadata.Type;

/** Number of tellings: an upper bound of the number of things, reached where nothing is told twice. */
const Tellings = Schema.Struct({
  messages: Schema.Natural,
  calls: Schema.Natural,
  results: Schema.Natural,
  usages: Schema.Natural,
});

export const ThreadCounters = Schema.Struct({
  /** Events of this thread, each counted once. */
  events: Schema.Natural,
  /** Events whose body broke its schema, whose interpreter failed, or whose carry was too large. */
  refused: Schema.Natural,
  /** Events and entries that only another version understands. */
  notUnderstood: Schema.Natural,
  firstHand: Tellings,
  secondHand: Tellings,
});

const isCarry = (value: unknown): value is Carry => isObject(value);

export const ThreadState = Schema.Struct({
  history: History,
  metadata: ThreadMetadata,
  counters: ThreadCounters,
  window: Window.ThreadWindow,
  /** Memory of the interpreter of the thread's format. */
  carry: Schema.declare(isCarry),
  lastRefusal: Schema.optionalKey(Schema.Struct({ sequence: Sequence, reason: Schema.String })),
  /** The last event folded; 0 and absent before the first. The id tells a re-used sequence from the one that was seen. */
  lastSequence: Sequence,
  lastEventId: text,
});
export type ThreadState = typeof ThreadState.Type;

/** True when a thread is deleted, or expired by `now`: lists, searches and reads leave it out, the log keeps it. */
export const isHidden = ({ deletedAt, expiresAt }: ThreadMetadata, now: number): boolean =>
  deletedAt !== undefined || (expiresAt !== undefined && expiresAt <= now);

const noTellings = { messages: 0, calls: 0, results: 0, usages: 0 };

/** The state of a thread without events. */
export const empty = (history: History): ThreadState => ({
  history,
  metadata: { tags: [], tagsOmitted: 0, archived: false },
  counters: { events: 0, refused: 0, notUnderstood: 0, firstHand: noTellings, secondHand: noTellings },
  window: Window.emptyWindow,
  carry: noCarry,
  lastSequence: 0,
});

/** The facts of an event, where an interpreter that throws is a refusal like any other. */
export const factsOfSafely = (event: RecordedEvent, carry: Carry): Result.Result<Interpretation, Refusal> =>
  Result.flatMap(
    Result.try({
      try: () => factsOf(event, carry),
      catch: (cause): Refusal => ({ reason: `the entry cannot be interpreted: ${String(cause)}` }),
    }),
    (facts) => facts,
  );

const field = (value: string | undefined) => (value === undefined ? undefined : own(headOf(value, metadataBytes)));

const describedMetadata = (metadata: ThreadMetadata, fact: ThreadDescribed): ThreadMetadata => {
  const removed = new Set(fact.tagsRemoved ?? []);
  const tags = removed.size === 0 ? [...metadata.tags] : metadata.tags.filter((tag) => !removed.has(tag));
  let { tagsOmitted } = metadata;
  for (const added of fact.tagsAdded ?? []) {
    const tag = own(headOf(added, tagBytes));
    if (tags.includes(tag)) continue;
    if (tags.length < mostTags) tags.push(tag);
    else tagsOmitted++;
  }
  const version = fact.client?.version ?? undefined;
  return {
    ...metadata,
    ...present({
      title: field(fact.title),
      tool: field(fact.tool),
      client:
        fact.client === undefined
          ? undefined
          : { name: field(fact.client.name) ?? "", ...present({ version: field(version) }) },
      provider: field(fact.provider),
      model: field(fact.model),
      cwd: field(fact.cwd),
      branch: field(fact.branch),
      session: field(fact.session),
      parentThreadId: field(fact.parentThreadId),
      archived: fact.archived,
    }),
    tags,
    tagsOmitted,
  };
};

const visibleMetadata = (
  { deletedAt, expiresAt, ...metadata }: ThreadMetadata,
  fact: VisibilityChanged,
  { occurredAt }: RecordedEvent,
): ThreadMetadata => {
  const deleted = fact.isDeleted === undefined ? deletedAt : fact.isDeleted ? occurredAt : undefined;
  const expires = fact.expiresAt === undefined ? expiresAt : fact.expiresAt === 0 ? undefined : fact.expiresAt;
  return { ...metadata, ...present({ deletedAt: deleted, expiresAt: expires }) };
};

/** A message of the main line also says with what the thread is going on: formats name the model only there. */
const metadataOfMessage = (metadata: ThreadMetadata, fact: MessageSaid): ThreadMetadata =>
  fact.isSidechain === true || fact.isMeta === true || fact.secondHand === true
    ? metadata
    : {
        ...metadata,
        ...present({
          tool: metadata.tool ?? field(fact.tool),
          provider: field(fact.provider),
          model: field(fact.model),
          cwd: field(fact.cwd),
          branch: field(fact.branch),
        }),
      };

type Telling = keyof typeof noTellings;

const counted = (counters: ThreadState["counters"], telling: Telling, secondHand: boolean | undefined) => {
  const witness = secondHand === true ? "secondHand" : "firstHand";
  return { ...counters, [witness]: { ...counters[witness], [telling]: counters[witness][telling] + 1 } };
};

const withMessage = (state: ThreadState, fact: MessageSaid, event: RecordedEvent): ThreadState => {
  const { firstHand, secondHand } = state.counters;
  const counters = counted(state.counters, "messages", fact.secondHand);
  if (fact.secondHand === true && firstHand.messages > 0) return { ...state, counters };
  const first = fact.secondHand !== true && firstHand.messages === 0 && secondHand.messages > 0;
  const window = first ? Window.withoutSecondHandMessages(state.window) : state.window;
  return {
    ...state,
    counters,
    metadata: metadataOfMessage(state.metadata, fact),
    window: Window.said(window, fact, event),
  };
};

const withCall = (
  state: ThreadState,
  fact: Extract<Fact, { readonly _tag: "ToolWasCalled" | "ToolHasReturned" }>,
  event: RecordedEvent,
): ThreadState => {
  const { firstHand, secondHand } = state.counters;
  const isCall = fact._tag === "ToolWasCalled";
  const counters = counted(state.counters, isCall ? "calls" : "results", fact.secondHand);
  const known = firstHand.calls + firstHand.results > 0;
  if (fact.secondHand === true && known) return { ...state, counters };
  const first = fact.secondHand !== true && !known && secondHand.calls + secondHand.results > 0;
  const before = first ? Window.withoutSecondHandCalls(state.window) : state.window;
  return {
    ...state,
    counters,
    window: isCall ? Window.called(before, fact, event) : Window.returned(before, fact, event),
  };
};

const withFact = (state: ThreadState, fact: Fact, event: RecordedEvent): ThreadState => {
  switch (fact._tag) {
    case "ThreadDescribed":
      return { ...state, metadata: describedMetadata(state.metadata, fact) };
    case "VisibilityChanged":
      return { ...state, metadata: visibleMetadata(state.metadata, fact, event) };
    case "MessageSaid":
      return withMessage(state, fact, event);
    case "ToolWasCalled":
    case "ToolHasReturned":
      return withCall(state, fact, event);
    case "TokensUsed":
      return {
        ...state,
        counters: counted(state.counters, "usages", fact.secondHand),
        window: Window.used(state.window, fact),
      };
    case "NotUnderstood":
      return { ...state, counters: { ...state.counters, notUnderstood: state.counters.notUnderstood + 1 } };
    case "PathTaken":
    case "LineKnown":
    case "LineTitled":
    case "Compacted":
    case "SourceDescribed":
    case "Noted":
    case "FileWasRead":
    case "ResponseWasReused":
    case "TaskMoved":
    case "SessionSeen":
    case "AgentWrote":
    case "CallsRefused":
    case "ConfigurationChanged":
      return state;
  }
};

const refused = (state: ThreadState, sequence: Sequence, reason: string): ThreadState => ({
  ...state,
  counters: { ...state.counters, refused: state.counters.refused + 1 },
  lastRefusal: { sequence, reason: own(headOf(reason, reasonBytes)) },
});

/** The state with what can be said of any event, understood or not. */
const seen = (state: ThreadState, event: RecordedEvent): ThreadState => ({
  ...state,
  counters: { ...state.counters, events: state.counters.events + 1 },
  lastSequence: event.sequence,
  lastEventId: shortId(event.id),
});

/** The state with the time that is said of its event. */
const atTime = (state: ThreadState, facts: ReadonlyArray<Fact>): ThreadState => {
  let { openedAt, lastActivityAt } = state.metadata;
  for (const { at } of facts) {
    if (at === undefined) continue;
    openedAt = Math.min(openedAt ?? at, at);
    lastActivityAt = Math.max(lastActivityAt ?? at, at);
  }
  return { ...state, metadata: { ...state.metadata, ...present({ openedAt, lastActivityAt }) } };
};

const interpreted = (state: ThreadState, event: RecordedEvent, { facts, carry }: Interpretation): ThreadState => {
  const after = facts.reduce((folded, fact) => withFact(folded, fact, event), atTime(state, facts));
  if (carry === undefined || carry === state.carry) return after;
  return jsonBytes(carry) <= carryBytes
    ? { ...after, carry: own(carry) }
    : refused(after, event.sequence, `the interpreter wants to remember more than ${carryBytes} bytes`);
};

/** The state after one more event of the thread. One that was folded already leaves it as it is. */
export const apply = (state: ThreadState, event: RecordedEvent): ThreadState => {
  if (event.sequence <= state.lastSequence) return state;
  const after = seen(state, event);
  // An entry may be nested deeper than JSON.stringify can follow: what cannot be held is refused as a whole.
  const folded = Result.flatMap(factsOfSafely(event, state.carry), (interpretation) =>
    Result.try({
      try: () => interpreted(after, event, interpretation),
      catch: (cause): Refusal => ({ reason: `the entry cannot be held: ${String(cause)}` }),
    }),
  );
  return Result.isSuccess(folded) ? folded.success : refused(after, event.sequence, folded.failure.reason);
};

export const fold = (state: ThreadState, events: Iterable<RecordedEvent>): ThreadState => {
  let folded = state;
  for (const event of events) folded = apply(folded, event);
  return folded;
};
