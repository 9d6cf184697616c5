/**
 * Sessions for programs that speak in promises: register, join, leave, end, and who is there.
 *
 * Room: client.
 */
import { Effect, Exit, type ManagedRuntime, Scope } from "effect";
import { begin, type ConnectOptions } from "./PromiseRuntime.ts";
import type { Present } from "../coordination/sessions/Presence.ts";
import * as SessionsLayer from "../coordination/sessions/SessionsLayer.ts";
import * as Sessions from "../coordination/sessions/Sessions.ts";

type Run = <A, E>(effect: Effect.Effect<A, E>) => Promise<A>;

/** A session of this process: present until it is ended, or until `RecollectSessions` is closed. */
export class PresentSession {
  readonly #run: Run;
  readonly #held: Sessions.Held;
  readonly #close: Effect.Effect<void>;

  constructor(run: Run, held: Sessions.Held, close: Effect.Effect<void>) {
    this.#run = run;
    this.#held = held;
    this.#close = close;
  }

  get id(): string {
    return this.#held.id;
  }

  /** Says that the session works on this thread or task. */
  join(what: Sessions.Joinable): Promise<void> {
    return this.#run(this.#held.join(what));
  }

  leave(what: Sessions.Joinable): Promise<void> {
    return this.#run(this.#held.leave(what));
  }

  /** Ends it and takes it out of the list. Ending twice ends once. */
  end(reason: string, how: Omit<Sessions.Ending, "reason"> = {}): Promise<void> {
    return this.#run(Effect.andThen(this.#held.end({ ...how, reason }), this.#close));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end("closed");
  }
}

export class RecollectSessions {
  readonly #runtime: ManagedRuntime.ManagedRuntime<Sessions.Sessions, never>;
  readonly #open = new Set<Scope.Closeable>();

  private constructor(runtime: ManagedRuntime.ManagedRuntime<Sessions.Sessions, never>) {
    this.#runtime = runtime;
  }

  /** As `Recollect.connect`: never fails and never waits because NATS is away. */
  static async connect(options: ConnectOptions = {}): Promise<RecollectSessions> {
    const runtime = await begin(options, SessionsLayer.layer);
    return new RecollectSessions(runtime);
  }

  /** Begins a session that is present from now on. Rejects with `SessionRefused` when another holds its id. */
  async register(options: Sessions.Registering = {}): Promise<PresentSession> {
    const scope = await this.#runtime.runPromise(Scope.make());
    const held = await this.#runtime.runPromise(
      Sessions.Sessions.use((sessions) => sessions.register(options)).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void)),
      ),
    );
    this.#open.add(scope);
    const close = Effect.suspend(() => {
      this.#open.delete(scope);
      return Scope.close(scope, Exit.void);
    });
    return new PresentSession((effect) => this.#runtime.runPromise(effect), held, close);
  }

  /** Who is there now, on every machine of this server. Rejects with `PresenceUnavailable` when it cannot be asked. */
  active(): Promise<ReadonlyArray<Present>> {
    return this.#runtime.runPromise(Sessions.Sessions.use(({ active }) => active));
  }

  /** Ends every session that is still open, with the reason `closed`, and lets go. */
  async close(): Promise<void> {
    for (const scope of this.#open) await this.#runtime.runPromise(Scope.close(scope, Exit.void));
    await this.#runtime.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
