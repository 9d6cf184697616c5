import { assert, it } from "@effect/vitest";
import { Exit } from "effect";
import { codeOf, exitCodes } from "../../../src/edge/cli/Failure.ts";
import { AppendRefused, LogUnavailable } from "../../../src/log/EventLog.ts";
import { InvalidEvent } from "../../../src/publish/write/InvalidEvent.ts";

it("a command ends with 2 for what can never be an event, and with 5 for a log that is away or does not take it", () => {
  const invalid = new InvalidEvent({ type: "task.submitted", message: "It is too large.", hint: "Make it smaller." });
  assert.strictEqual(codeOf(Exit.fail(invalid)), exitCodes.usage);
  for (const error of [new LogUnavailable({ reason: "away" }), new AppendRefused({ reason: "full" })])
    assert.strictEqual(codeOf(Exit.fail(error)), exitCodes.unavailable);
});
