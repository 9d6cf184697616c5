/**
 * Channels: texts between programs at this moment, by a name. Nothing here is kept.
 *
 * Room: log.
 *
 * Promises: a text reaches whoever subscribes at that moment, at most once, in the order of one program's publishing. While
 * the server is unreachable a publish fails, and nothing is kept for later: what must not be lost is an event.
 */
import { Context, type Effect, Schema, type Scope } from "effect";
import type { LogUnavailable } from "../EventLog.ts";

/** The text can never be published: it is larger than a message of the server. */
export class ChannelRefused extends Schema.TaggedError<ChannelRefused>()("ChannelRefused", {
  message: Schema.String,
  hint: Schema.String,
}) {}

export class Channels extends Context.Service<
  Channels,
  {
    /** Returns when the text is on its way; a server that answers has taken it. At most 1 MB, as the server allows. */
    readonly publish: (
      channel: { readonly tenant: string; readonly name: string },
      text: string,
    ) => Effect.Effect<void, ChannelRefused | LogUnavailable>;
    /** Hears every text from its return on, also over later connections, until the scope closes. */
    readonly subscribe: (
      channel: { readonly tenant: string; readonly name: string },
      hear: (text: string) => void,
    ) => Effect.Effect<void, LogUnavailable, Scope.Scope>;
  }
>()("recollect/log/Channels") {}
