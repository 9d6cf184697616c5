/**
 * The configuration for programs that speak in promises.
 *
 * Room: client.
 */
import { Effect, Stream } from "effect";
import type { FamilyName, FamilyValue, FieldName, FieldValue } from "../../coordination/config/ConfigFields.ts";
import type { Difference, Version } from "../../coordination/config/ConfigHistory.ts";
import * as Configuration from "../../coordination/config/Configuration.ts";
import type { Section } from "./Section.ts";

/** The configuration as this process holds it: each reading is a memory access, and sees every later change. */
export class HeldConfig {
  readonly #config: Configuration.Configuration["Service"];

  constructor(config: Configuration.Configuration["Service"]) {
    this.#config = config;
  }

  get<Name extends FieldName>(name: Name): FieldValue<Name> {
    return Effect.runSync(this.#config.get(name));
  }

  family<Name extends FamilyName>(name: Name): ReadonlyMap<string, FamilyValue<Name>> {
    return Effect.runSync(this.#config.family(name));
  }
}

/**
 * Until NATS is there file and environment hold, and a change rejects with `LogUnavailable`. Every call rejects with
 * `ConfigRefused` when the file or the environment says what cannot be.
 */
export class RecollectConfig {
  readonly #section: Section<Configuration.Configuration>;

  constructor(section: Section<Configuration.Configuration>) {
    this.#section = section;
  }

  #config<A, E>(use: (config: Configuration.Configuration["Service"]) => Effect.Effect<A, E>): Promise<A> {
    return this.#section.run(Configuration.Configuration.use(use));
  }

  /** Current configuration, read without waiting; kept current while the client is open. */
  held(): Promise<HeldConfig> {
    return this.#config((config) => Effect.succeed(new HeldConfig(config)));
  }

  /** The value that holds now. */
  get<Name extends FieldName>(name: Name): Promise<FieldValue<Name>> {
    return this.#config((config) => config.get(name));
  }

  family<Name extends FamilyName>(name: Name): Promise<ReadonlyMap<string, FamilyValue<Name>>> {
    return this.#config((config) => config.family(name));
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

  /** The value now and whenever it is another one, until the loop ends or the client is closed. */
  watch<Name extends FieldName>(name: Name): AsyncGenerator<FieldValue<Name>> {
    return this.#section.iterate(
      Stream.unwrap(Configuration.Configuration.use((config) => Effect.succeed(config.watch(name)))),
    );
  }
}
