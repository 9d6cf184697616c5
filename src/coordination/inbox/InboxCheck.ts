/**
 * Bounds of names, bodies, lives, leases and attempts, checked before anything is written.
 *
 * Room: coordination.
 */
import { Effect, Schema } from "effect";
import * as History from "../../domain/History.ts";
import { isDeeper } from "../../domain/Json.ts";

/** This can never be sent or taken. Nothing was written. */
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
/** Nesting of a body: readers in any language may recurse. */
export const maxBodyDepth = 100;

interface Bounds {
  readonly least: number;
  readonly most: number;
}
/** Life of a message, milliseconds. The server counts in seconds; a month is longer than any exchange. */
export const ttlBounds: Bounds = { least: 1_000, most: 30 * 24 * 3_600_000 };
const defaultTtlMillis = 24 * 3_600_000;
/** Lease, milliseconds. A shorter one is over before the message is read; a longer one is extended. */
const leaseBounds: Bounds = { least: 100, most: 24 * 3_600_000 };
const attemptBounds: Bounds = { least: 1, most: 1_000 };

const refused = (reason: string, hint: string) => Effect.fail(new InboxRefused({ reason, hint }));

const within = (value: number, { least, most }: Bounds, what: string) =>
  value >= least && value <= most
    ? Effect.void
    : refused(`${what} cannot be ${value}.`, `From ${least} to ${most} are possible.`);

const isName = (name: unknown) => {
  if (typeof name !== "string") return false;
  const bytes = Buffer.byteLength(name);
  return bytes > 0 && bytes <= History.maxIdBytes && name.isWellFormed();
};

export const named = (...names: ReadonlyArray<string>) =>
  names.every(isName) ? Effect.void : refused("This is no name.", `1 to ${History.maxIdBytes} bytes of UTF-8.`);

export const checkLease = (leaseMillis: number) => within(leaseMillis, leaseBounds, "A lease in milliseconds");

export const checkAttempts = (maxAttempts: number) => within(maxAttempts, attemptBounds, "Attempts");

interface Sent {
  readonly from: string;
  readonly to: string;
  readonly body: unknown;
  readonly ttlMillis?: number | undefined;
}

/** The body as JSON gives it back, and the message's life. */
export const checked = Effect.fnUntraced(function* ({ body, from, to, ttlMillis = defaultTtlMillis }: Sent) {
  yield* named(from, to);
  const inThread = "Say it in a thread, and send the thread's id.";
  if (isDeeper(body, maxBodyDepth)) {
    return yield* refused(`The body is nested deeper than ${maxBodyDepth} levels.`, inThread);
  }
  const text = yield* Effect.try({
    // A function and a symbol have no JSON.
    try: () => (JSON.stringify(body ?? null) as string | undefined) ?? "",
    catch: (cause) => new InboxRefused({ reason: `The body is not JSON: ${String(cause)}`, hint: "Send JSON." }),
  });
  if (text === "") return yield* refused(`A ${typeof body} is no JSON.`, "Send JSON.");
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBodyBytes) {
    return yield* refused(`The body is ${bytes} bytes; at most ${maxBodyBytes} are possible.`, inThread);
  }
  yield* within(ttlMillis, ttlBounds, "A message's life in milliseconds");
  return { body: JSON.parse(text) as unknown, ttlMillis };
});
