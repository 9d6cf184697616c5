/**
 * The error that an SDK entry point rejects with when it is asked for the impossible.
 *
 * Room: edge.
 *
 * A plain error: an entry point loads nothing of the client, which its caller has opened already.
 */
export class SdkRefused extends Error {
  readonly _tag = "SdkRefused";
  override readonly name = "SdkRefused";
  /** Code of the refusal, for programs: `NotFound`, `Ended`, `Conflict`, `Invalid`, `Lost`. */
  readonly code: "NotFound" | "Ended" | "Conflict" | "Invalid" | "Lost";
  readonly hint: string;

  constructor(code: SdkRefused["code"], message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** True when a call failed because the log cannot be reached: what it would have written can be kept here meanwhile. */
export const isUnavailable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "LogUnavailable";
