/**
 * Sessions for programs that speak in promises: register, join, leave, end, and who is there.
 *
 * Room: client.
 */
import { Effect, Exit, Scope } from "effect";
import type { Section } from "./Section.ts";
import type { Present } from "../../coordination/sessions/Presence.ts";
import * as Sessions from "../../coordination/sessions/Sessions.ts";

type Run = <A, E>(effect: Effect.Effect<A, E>) => Promise<A>;

/** A session of this process: present until it is ended, or until the client is closed. */
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
  readonly #section: Section<Sessions.Sessions>;

  constructor(section: Section<Sessions.Sessions>) {
    this.#section = section;
  }

  /** Begins a session that is present from now on. Rejects with `SessionRefused` when another holds its id. */
  async register(options: Sessions.Registering = {}): Promise<PresentSession> {
    const scope = Scope.makeUnsafe();
    const held = await this.#section.run(
      Sessions.Sessions.use((sessions) => sessions.register(options)).pipe(
        Scope.provide(scope),
        Effect.onError(() => Scope.close(scope, Exit.void)),
      ),
    );
    const end = Effect.suspend(() => {
      forget();
      return Scope.close(scope, Exit.void);
    });
    const forget = this.#section.sections.keep(() => this.#section.run(end));
    return new PresentSession((effect) => this.#section.run(effect), held, end);
  }

  /** Live sessions on every machine of this server. Rejects with `PresenceUnavailable` while presence cannot be read. */
  active(): Promise<ReadonlyArray<Present>> {
    return this.#section.run(Sessions.Sessions.use(({ active }) => active));
  }
}
