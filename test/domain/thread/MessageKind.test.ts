import { assert, describe, it } from "@effect/vitest";
import type { MessageSaid } from "../../../src/domain/Fact.ts";
import { kindOf, plainWords } from "../../../src/domain/thread/MessageKind.ts";

const ofUser = (...texts: ReadonlyArray<string>): MessageSaid => ({
  _tag: "MessageSaid",
  messageId: "m",
  segment: "",
  role: "user",
  parts: texts.map((text) => ({ type: "text", text })),
});

describe("a message of a person", () => {
  it("is a prompt also behind what an agent puts before it", () => {
    const opened = "<ide_opened_file>The user opened a.ts</ide_opened_file>";
    assert.strictEqual(kindOf(ofUser(opened, "fix the bug")), "prompt");
    assert.strictEqual(kindOf(ofUser(opened, "<command-name>/model</command-name>")), "command");
    assert.strictEqual(kindOf(ofUser(opened)), "notice");
    assert.strictEqual(plainWords(`${opened}\nfix the bug`), "fix the bug");
    assert.strictEqual(plainWords(opened), opened);
  });

  it("is known by its command, of which both ends are there", () => {
    assert.strictEqual(
      plainWords(
        "<command-message>m</command-message>\n<command-name>/model</command-name><command-args>opus</command-args>",
      ),
      "/model opus",
    );
    // The square of its length would be minutes, and the test's time would be over.
    assert.strictEqual(plainWords("<command-name>".repeat(200_000)), "");
  });
});
