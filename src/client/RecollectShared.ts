/**
 * Configuration and limits for programs that speak in promises.
 *
 * Room: client.
 *
 * A refusal by a limit is an answer and no exception; everything else that goes wrong rejects with its typed error.
 */
import { Effect, Layer, type ManagedRuntime, Stream } from "effect";
import * as Connect from "../publish/Connect.ts";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import * as ConfigFile from "../coordination/config/ConfigFile.ts";
import type { Difference, Version } from "../coordination/config/ConfigHistory.ts";
import * as Configuration from "../coordination/config/Configuration.ts";
import type { FamilyName, FamilyValue, FieldName, FieldValue } from "../coordination/config/ConfigFields.ts";
import * as Limits from "../coordination/limits/Limits.ts";
import * as LimitsWhenNeeded from "../coordination/limits/LimitsWhenNeeded.ts";

export interface SharedOptions extends ConnectOptions {
  /** Which configuration of the tenant. Default `default`. */
  readonly scope?: string | undefined;
  /** Who changes something when a call does not say. Default `recollect`. */
  readonly who?: string | undefined;
}

type Shared = Configuration.Configuration | Limits.Limits;

const layer = (options: Connect.Options & Pick<SharedOptions, "scope" | "who">) =>
  LimitsWhenNeeded.layer(options).pipe(
    Layer.provideMerge(ConfigFile.layerOf(options)),
    Layer.provide(Connect.layer(options)),
  );

/** What a limit says: go on, or come again. */
export type Taken =
  | (Limits.Allowed & { readonly allowed: true })
  | { readonly allowed: false; readonly limit: string; readonly retryAfterMillis: number };

export class RecollectShared {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Shared, unknown>;

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Shared, unknown>) {
    this.#runtime = runtime;
  }

  /**
   * As `Recollect.connect`: never fails because NATS is away. Until it is there file and environment hold, each limit
   * decides by its own policy, and a change rejects with `LogUnavailable`.
   * Rejects with `ConfigRefused` when the file or the environment says what cannot be.
   */
  static async connect(options: SharedOptions = {}): Promise<RecollectShared> {
    return new RecollectShared(await begin(options, layer));
  }

  #config<A, E>(use: (config: Configuration.Configuration["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#runtime.runPromise(Configuration.Configuration.use(use));
  }

  /** The value that holds now: a memory access. */
  get<Name extends FieldName>(name: Name): FieldValue<Name> {
    return this.#runtime.runSync(Configuration.Configuration.use((config) => config.get(name)));
  }

  family<Name extends FamilyName>(name: Name): ReadonlyMap<string, FamilyValue<Name>> {
    return this.#runtime.runSync(Configuration.Configuration.use((config) => config.family(name)));
  }

  /** Changes fields, all or none; `undefined` lets a field fall back. */
  set(changes: Readonly<Record<string, unknown>>, by?: Configuration.By): Promise<Configuration.Changed> {
    return this.#config((config) => config.set(changes, by));
  }

  history(): Promise<ReadonlyArray<Version>> {
    return this.#config((config) => config.history);
  }

  diff(from: number, to: number): Promise<ReadonlyArray<Difference>> {
    return this.#config((config) => config.diff(from, to));
  }

  rollback(to: number, by?: Configuration.By): Promise<Configuration.Changed> {
    return this.#config((config) => config.rollback(to, by));
  }

  /** The value now and whenever it is another one, until the loop ends. */
  async *watch<Name extends FieldName>(name: Name): AsyncGenerator<FieldValue<Name>> {
    const values = Stream.unwrap(Configuration.Configuration.use((config) => Effect.succeed(config.watch(name))));
    yield* Stream.toAsyncIterableWith(values, await this.#runtime.context());
  }

  /** Takes from every limit that is concerned, or from none. */
  take(request: Limits.LimitRequest): Promise<Taken> {
    const taken = Limits.Limits.use((limits) => limits.take(request)).pipe(
      Effect.map((allowed): Taken => ({ ...allowed, allowed: true })),
      Effect.catchTag("LimitExceeded", ({ limit, retryAfterMillis }) =>
        Effect.succeed<Taken>({ allowed: false, limit, retryAfterMillis }),
      ),
    );
    return this.#runtime.runPromise(taken);
  }

  close(): Promise<void> {
    return this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
