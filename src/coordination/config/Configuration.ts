/**
 * The configuration: typed, layered, changed while everything runs, with a history of its changes and their reasons.
 *
 * Room: coordination.
 *
 * Default < file < environment < runtime. The runtime layer is the history `config` of its tenant and scope: one event is
 * one version. Every process follows that history and holds what it says in memory.
 *
 * Promises, each a test in `test/contract/ConfigurationContract.ts`:
 * - reading is a memory access, and what this process changed, or read in the history, it reads at once: a change that
 *   expects the version of a history is made on no older value;
 * - a value that its Schema does not allow changes nothing, and the refusal names the field;
 * - of two changes that expect the same version exactly one is made; changing to what is so already adds no version;
 * - a rollback is one more version with the values of an earlier one, all of them or none;
 * - with the log away reads go on with what was last known, and changes fail.
 *
 * Decision: no bucket beside the history, because a start reads the history once (a configuration changes a few times a
 * day), and following it tells every process of a change as quickly as a bucket's watch would.
 */
import { Context, Effect, Layer, Option, PubSub, Result, Schema, Semaphore, Stream } from "effect";
import type { RecordedEvent } from "../../domain/Event.ts";
import { isMisfit } from "../../domain/Event.ts";
import { config as historyOf, defaultTenant } from "../../domain/History.ts";
import { type AppendRefused, EventLog, LogUnavailable } from "../../log/EventLog.ts";
import { policyHere } from "../../publish/storing/StoragePolicy.ts";
import { compose } from "../../publish/write/NewEvent.ts";
import { type InvalidEvent } from "../../publish/write/InvalidEvent.ts";
import {
  apply,
  type Change,
  type ConfigState,
  type Difference,
  differences,
  effective,
  empty,
  type Version,
  versionOf,
} from "./ConfigHistory.ts";
import { belowOf, type Given, holding, maxNames } from "./ConfigLayers.ts";
import {
  check,
  type ConfigLayer,
  ConfigRefused,
  type FamilyName,
  type FamilyValue,
  type FieldName,
  type FieldValue,
  known,
  variableOf,
} from "./ConfigFields.ts";

/** The configuration was changed since the version that was expected. Nothing was changed: look, decide, set again. */
export class ConfigConflict extends Schema.TaggedError<ConfigConflict>()("ConfigConflict", {
  /** As the caller said it. */
  expectedVersion: Schema.Number,
  actualVersion: Schema.Natural,
  message: Schema.String,
  hint: Schema.String,
}) {}

/** The configuration never had that version. */
export class NoSuchVersion extends Schema.TaggedError<NoSuchVersion>()("NoSuchVersion", {
  /** As the caller said it. */
  version: Schema.Number,
  latest: Schema.Natural,
  message: Schema.String,
  hint: Schema.String,
}) {}

export type ChangeError = ConfigRefused | ConfigConflict | LogUnavailable | AppendRefused | InvalidEvent;

/** Most fields that one change may touch: one event, read by every process. */
export const maxChanges = 100;
/** Longest reason, in characters. */
export const maxWhyLength = 1_000;
/** Attempts of a change that expects no version, while other processes change something at the same moment. */
const maxRounds = 20;
/** Versions that a slow watcher may be behind; then it misses the oldest of them. */
const maxBehind = 256;
/** Patience of a start with the runtime layer, before it goes on without; what is late is told to watchers. */
const patienceMillis = 2_000;

/** A field as it stands, and where its value comes from. */
export interface Explained {
  readonly field: string;
  readonly value: unknown;
  readonly layer: ConfigLayer;
  /** The version that gave it its value; undefined unless the layer is `runtime`. */
  readonly version: number | undefined;
  readonly doc: string;
  /** Environment variable that sets it; undefined for a family's. */
  readonly variable: string | undefined;
  /** True: the value is not shown. */
  readonly secret: boolean;
  /** Reason for which the history's value does not hold. */
  readonly problem: string | undefined;
}

/** Author of a change, and its reason. */
export interface By {
  /** Default: what the layer says of this process. */
  readonly who?: string | undefined;
  readonly why?: string | undefined;
  /** The version that the caller saw; default: whatever it is. */
  readonly expectedVersion?: number | undefined;
}

/** Result of a change: its version, or the one that said so already. */
export interface Changed {
  readonly version: number;
  readonly changed: ReadonlyArray<string>;
}

export class Configuration extends Context.Service<
  Configuration,
  {
    /** Tenant, and which of its configurations. */
    readonly tenant: string;
    readonly scope: string;
    /** The value that holds now. */
    readonly get: <Name extends FieldName>(name: Name) => Effect.Effect<FieldValue<Name>>;
    /** All values of a family, by name. The same object until one of them changes. */
    readonly family: <Name extends FamilyName>(name: Name) => Effect.Effect<ReadonlyMap<string, FamilyValue<Name>>>;
    /** The value now and whenever it is another one. */
    readonly watch: <Name extends FieldName>(name: Name) => Stream.Stream<FieldValue<Name>>;
    /** All values of a family now and whenever one of them is another, is new, or is gone. */
    readonly watchFamily: <Name extends FamilyName>(
      name: Name,
    ) => Stream.Stream<ReadonlyMap<string, FamilyValue<Name>>>;
    /** Every version from now on. */
    readonly changes: Stream.Stream<Version>;
    /** Everything that is set or has a default; with a name only that, empty when there is none. */
    readonly explain: (name?: string) => Effect.Effect<ReadonlyArray<Explained>>;
    /** The version that holds, 0 when nothing was ever changed. */
    readonly version: Effect.Effect<number>;
    /** Changes fields, all or none; a value `undefined` lets a field fall back. */
    readonly set: (changes: Readonly<Record<string, unknown>>, by?: By) => Effect.Effect<Changed, ChangeError>;
    /** Every version, oldest first, from the log. */
    readonly history: Effect.Effect<ReadonlyArray<Version>, LogUnavailable>;
    /** Fields in which two versions differ. */
    readonly diff: (
      from: number,
      to: number,
    ) => Effect.Effect<ReadonlyArray<Difference>, NoSuchVersion | LogUnavailable>;
    /** One more version with the values of an earlier one. */
    readonly rollback: (to: number, by?: By) => Effect.Effect<Changed, ChangeError | NoSuchVersion>;
    /** Returns when everything that the log has now is seen here. */
    readonly caughtUp: Effect.Effect<void, LogUnavailable>;
  }
>()("recollect/coordination/Configuration") {}

export interface Options extends Given {
  /** Default `default`. */
  readonly tenant?: string | undefined;
  /** Name of a configuration within the tenant. Default `default`. */
  readonly scope?: string | undefined;
  /** Author of a change when a call does not say. Default `recollect`. */
  readonly who?: string | undefined;
}

const noSuchVersion = (version: number, latest: number) =>
  new NoSuchVersion({
    version,
    latest,
    message: `This configuration has no version ${version}.`,
    hint: `The latest is ${latest}; 0 is what it was before the first change.`,
  });

const conflict = (expectedVersion: number, actualVersion: number) =>
  new ConfigConflict({
    expectedVersion,
    actualVersion,
    message: `The configuration is at version ${actualVersion}, not ${expectedVersion}.`,
    hint: "Look at what was changed, and set it again.",
  });

const refusedCall = (field: string, message: string, hint: string) =>
  new ConfigRefused({ field, layer: "runtime", message, hint });

export const make = Effect.fn("config.open")(function* (options: Options = {}) {
  const log = yield* EventLog;
  const history = historyOf(options.scope ?? "default", options.tenant ?? defaultTenant);
  const source = options.who ?? "recollect";
  const policy = yield* policyHere;
  const below = yield* Effect.fromResult(belowOf(options));
  const told = yield* PubSub.sliding<Version>(maxBehind);
  /** Something else may hold: told to watchers, so that of several changes only the last counts. */
  const stirred = yield* PubSub.sliding<void>(1);
  const changing = yield* Semaphore.make(1);
  let state = empty;
  let held = holding(below, state);

  /** Plain code, so that nothing comes between: the first that reads an event, the follower or a change, folds it. */
  const fold = (event: RecordedEvent) => {
    if (event.sequence <= state.sequence) return;
    const changed = versionOf(event, state.version + 1);
    state = apply(state, event);
    if (changed === undefined) return;
    held = holding(below, state, held.byFamily);
    PubSub.publishUnsafe(told, changed);
    PubSub.publishUnsafe(stirred, undefined);
  };

  const caughtUp = Effect.suspend(() =>
    Stream.runForEach(log.read({ history, after: state.sequence }), (event) => Effect.sync(() => fold(event))),
  );

  /** The history of a log that was made anew, in place of the one before once all of it is read: no value falls back meanwhile. */
  const anew = Effect.map(Stream.runCollect(Stream.suspend(() => log.read({ history }))), (events) => {
    state = empty;
    held = holding(below, state, held.byFamily);
    events.forEach(fold);
    PubSub.publishUnsafe(stirred, undefined);
  });

  let isDamaged = false;
  /** Follows the history from where it is known. A damage that stays is told once, and what holds goes on to hold. */
  const following = Effect.suspend(() =>
    log.follow({ after: state.sequence, history }).pipe(
      Stream.runForEach((entry) =>
        Effect.sync(() => {
          isDamaged = false;
          if (!isMisfit(entry)) fold(entry);
        }),
      ),
      Effect.catchTag("LogDamaged", ({ reason }) =>
        Effect.gen(function* () {
          if (!isDamaged) yield* Effect.logWarning(`the configuration is read anew: ${reason}`);
          isDamaged = true;
          yield* anew;
        }),
      ),
      Effect.catchTag("LogUnavailable", ({ reason }) => Effect.logDebug(`the configuration waits: ${reason}`)),
      // A fault of ours must not end the obedience to every later change.
      Effect.catchDefect((defect) => Effect.logError(`the configuration cannot be followed: ${String(defect)}`)),
      Effect.andThen(Effect.sleep(500)),
    ),
  );

  yield* caughtUp.pipe(Effect.timeoutOption(patienceMillis), Effect.ignore);
  yield* Effect.forkScoped(Effect.forever(following));

  const read = Effect.gen(function* () {
    const events = yield* Stream.runCollect(log.read({ history }));
    const versions: Array<Version> = [];
    for (const event of events) {
      fold(event);
      const version = versionOf(event, versions.length + 1);
      if (version !== undefined) versions.push(version);
    }
    return { events, versions };
  });

  /** The state that a version left. */
  const stateAt = Effect.fnUntraced(function* (version: number) {
    const { events, versions } = yield* read;
    const last = version === 0 ? 0 : versions[version - 1]?.sequence;
    if (last === undefined || version < 0) return yield* noSuchVersion(version, versions.length);
    return events.filter(({ sequence }) => sequence <= last).reduce(apply, empty);
  });

  const checkCall = Effect.fnUntraced(function* (changes: ReadonlyArray<Change>, { who, why }: By) {
    const [first = { field: "" }] = changes;
    if (changes.length > maxChanges) {
      const message = `${changes.length} fields at once; at most ${maxChanges} are possible.`;
      return yield* refusedCall(first.field, message, "Make several changes of it.");
    }
    if (Math.max(why?.length ?? 0, who?.length ?? 0) > maxWhyLength) {
      const message = `Who and why have at most ${maxWhyLength} characters each.`;
      return yield* refusedCall(first.field, message, "Say it shorter.");
    }
    for (const { field, value } of changes) {
      if (value !== undefined) yield* Effect.fromResult(check(field, value, "runtime"));
      // A value set by an older version of the program may always be removed.
      else if (known(field) === undefined && !state.fields.has(field)) {
        yield* Effect.fromResult(check(field, value, "runtime"));
      }
    }
    if (
      policy()
        .redactor.value([changes, why, who])
        .some((said, at) => said !== [changes, why, who][at])
    ) {
      const message = "What is configured looks like a secret, and secrets are never stored.";
      return yield* refusedCall(
        first.field,
        message,
        "Name a file or a variable that holds it, and not the secret itself.",
      );
    }
    const added = changes.filter(
      ({ field, value }) => value !== undefined && known(field)?.family !== undefined && !held.values.has(field),
    );
    const names = [...held.byFamily.values()].reduce((sum, { size }) => sum + size, added.length);
    if (added.length > 0 && names > maxNames) {
      const message = `A configuration has at most ${maxNames} names, in all its families together.`;
      return yield* refusedCall(first.field, message, "Remove some first.");
    }
  });

  const change = Effect.fnUntraced(function* (
    wanted: (now: ConfigState) => ReadonlyArray<Change>,
    by: By,
    rolledBackTo?: number,
  ): Effect.fn.Return<Changed, ChangeError> {
    const { expectedVersion, who = source, why } = by;
    for (let round = 0; round < maxRounds; round++) {
      if (round > 0 || (expectedVersion !== undefined && expectedVersion !== state.version)) yield* caughtUp;
      const { sequence, version } = state;
      if (expectedVersion !== undefined && expectedVersion !== version) {
        return yield* conflict(expectedVersion, version);
      }
      const all = wanted(state);
      yield* checkCall(all, by);
      const changes = effective(state, all);
      if (changes.length === 0) return { version, changed: [] };
      const data = {
        changes: changes.map(({ field, value }) => (value === undefined ? { field } : { field, value })),
        why,
        rolledBackTo,
      };
      const { event } = yield* compose(
        { history, type: "config.changed", data, actor: who },
        { source, policy: policy() },
      );
      const appended = yield* Effect.result(log.append({ history, events: [event], expected: sequence }));
      if (Result.isSuccess(appended)) {
        yield* caughtUp;
        return { version: version + 1, changed: changes.map(({ field }) => field) };
      }
      if (appended.failure._tag !== "SequenceConflict") return yield* appended.failure;
    }
    return yield* new LogUnavailable({ reason: `others changed the configuration ${maxRounds} times meanwhile` });
  }, changing.withPermit);

  const explained = (name: string): Explained | undefined => {
    const field = known(name);
    const runtime = state.fields.get(name);
    const under = below.get(name);
    if (field === undefined && runtime === undefined) return undefined;
    const isHeld = runtime !== undefined && runtime.problem === undefined;
    if (!isHeld && under === undefined && field?.family !== undefined && runtime === undefined) return undefined;
    return {
      field: name,
      value: field?.secret === undefined ? held.values.get(name) : undefined,
      layer: isHeld ? "runtime" : (under?.layer ?? "default"),
      version: isHeld ? runtime.version : undefined,
      doc: field?.doc ?? "No field of this version of recollect.",
      variable: field === undefined || field.family !== undefined ? undefined : variableOf(name),
      secret: field?.secret !== undefined,
      problem: runtime?.problem,
    };
  };

  const valueOf = <Name extends FieldName>(name: Name) => held.values.get(name) as FieldValue<Name>;
  const familyOf = <Name extends FamilyName>(name: Name) =>
    (held.byFamily.get(name) ?? new Map()) as ReadonlyMap<string, FamilyValue<Name>>;

  /** The value now, and whenever it is another one. */
  const watching = <A>(now: () => A): Stream.Stream<A> =>
    Stream.unwrap(
      Effect.map(PubSub.subscribe(stirred), (later) =>
        Stream.concat(Stream.fromEffect(Effect.sync(now)), Stream.map(Stream.fromSubscription(later), now)).pipe(
          Stream.changes,
        ),
      ),
    );

  return Configuration.of({
    tenant: history.tenant,
    scope: history.id,
    get: (name) => Effect.sync(() => valueOf(name)),
    family: (name) => Effect.sync(() => familyOf(name)),
    watch: (name) => watching(() => valueOf(name)),
    watchFamily: (name) => watching(() => familyOf(name)),
    changes: Stream.unwrap(Effect.map(PubSub.subscribe(told), (later) => Stream.fromSubscription(later))),
    explain: (name) =>
      Effect.sync(() => {
        const names = name === undefined ? [...new Set([...held.values.keys(), ...state.fields.keys()])] : [name];
        return names.toSorted().flatMap((one) => Option.toArray(Option.fromUndefinedOr(explained(one))));
      }),
    version: Effect.sync(() => state.version),
    set: (changes, by = {}) =>
      change(() => Object.entries(changes).map(([field, value]) => ({ field, value: value ?? undefined })), by),
    history: Effect.map(read, ({ versions }) => versions),
    diff: Effect.fn("config.diff")(function* (from: number, to: number) {
      return differences(yield* stateAt(from), yield* stateAt(to));
    }),
    rollback: Effect.fn("config.rollback")(function* (to: number, by: By = {}) {
      const then = yield* stateAt(to);
      const back = (now: ConfigState) =>
        differences(now, then).map(({ after, field }): Change => ({ field, value: after }));
      return yield* change(back, by, to);
    }),
    caughtUp,
  });
});

/** Over whichever log there is. Fails only for a file or an environment that says what cannot be. */
export const layer = (options: Options = {}) => Layer.effect(Configuration, make(options));
