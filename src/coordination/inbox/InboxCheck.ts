/**
 * What can be said to an inbox: names, bodies, lives and leases, checked before anything is written.
 *
 * Room: coordination.
 */
import { Effect, Schema } from "effect";
import * as History from "../../domain/History.ts";
import { isDeeper } from "../../domain/Json.ts";

/** This can never be sent. Nothing was written. */
export class InboxRefused extends Schema.TaggedError<InboxRefused>()("InboxRefused", {
  reason: Schema.String,
  hint: Schema.String,
}) {
  override get message() {
    return this.reason;
  }
}

/** An inbox is no store of files: what is larger goes into a thread, and its id into the message. */
export const maxBodyBytes = 128 * 1024;
/** How deep a body may be nested: who reads it may do so by recursion, in any language. */
export const maxBodyDepth = 100;
/** Shortest and longest life of a message. The server counts in seconds; what nobody wants for a month nobody wants. */
export const ttlBounds = { least: 1_000, most: 30 * 24 * 3_600_000 };
const defaultTtlMillis = 24 * 3_600_000;
/** A shorter lease is over before its end could be told of; who needs a longer one renews it. */
const leaseBounds = { least: 100, most: 24 * 3_600_000 };
const isName = (name: string) => {
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= History.maxIdBytes && name.isWellFormed();
};

export const named = (...names: ReadonlyArray<string>) =>
  names.every(isName)
    ? Effect.void
    : Effect.fail(new InboxRefused({ reason: "This is no name.", hint: `1 to ${History.maxIdBytes} bytes of UTF-8.` }));

/** How long a message is taken for. */
export const checkLease = (millis: number) =>
  millis >= leaseBounds.least && millis <= leaseBounds.most
    ? Effect.void
    : Effect.fail(
        new InboxRefused({
          reason: `A message cannot be taken for ${millis} ms.`,
          hint: `From ${leaseBounds.least} to ${leaseBounds.most} milliseconds.`,
        }),
      );

interface Sent {
  readonly from: string;
  readonly to: string;
  readonly body: unknown;
  readonly ttlMillis?: number | undefined;
}

/** The body as JSON gives it back, and how long the message lives. */
export const checked = Effect.fnUntraced(function* ({ body, from, to, ttlMillis = defaultTtlMillis }: Sent) {
  yield* named(from, to);
  if (isDeeper(body, maxBodyDepth)) {
    const reason = `The body is nested deeper than ${maxBodyDepth} levels.`;
    return yield* new InboxRefused({ reason, hint: "Say it in a thread, and send the thread's id." });
  }
  const text = yield* Effect.try({
    // A function and a symbol have no JSON.
    try: () => (JSON.stringify(body ?? null) as string | undefined) ?? "",
    catch: (cause) => new InboxRefused({ reason: `The body is not JSON: ${String(cause)}`, hint: "Send JSON." }),
  });
  if (text === "") return yield* new InboxRefused({ reason: `A ${typeof body} is no JSON.`, hint: "Send JSON." });
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBodyBytes) {
    const hint = "Say it in a thread, and send the thread's id.";
    return yield* new InboxRefused({
      reason: `The body is ${bytes} bytes; at most ${maxBodyBytes} are possible.`,
      hint,
    });
  }
  if (!(ttlMillis >= ttlBounds.least && ttlMillis <= ttlBounds.most)) {
    const hint = `From ${ttlBounds.least} to ${ttlBounds.most} milliseconds.`;
    return yield* new InboxRefused({ reason: `A message cannot live for ${ttlMillis} ms.`, hint });
  }
  return { body: JSON.parse(text) as unknown, ttlMillis };
});
