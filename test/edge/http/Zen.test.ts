import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest";
import { join } from "node:path";
import { Door } from "./Knock.ts";
import { findInterpreter, python } from "./Python.ts";

const door = new Door();
beforeAll(async () => {
  await door.open();
  await findInterpreter(door);
}, 120_000);
afterAll(() => door[Symbol.asyncDispose]());

const zen = async <A>(step: string, ...words: ReadonlyArray<string | number>): Promise<A> =>
  JSON.parse(await python(door, [join(import.meta.dirname, "zen.py"), step, ...words.map(String)]));

interface Turn {
  readonly role: string;
  readonly content: string;
  readonly files: ReadonlyArray<string> | null;
  readonly model_metadata: unknown;
}
interface Grown {
  readonly id: string;
  readonly said: number;
  readonly sent: number;
  readonly largest: number;
  readonly thread: {
    readonly turns: ReadonlyArray<Turn>;
    readonly initial_context: unknown;
    readonly tool_name: string;
  };
}
interface Stored {
  readonly type: string;
  readonly correlationId?: string;
  readonly data: { readonly name?: string; readonly outcome?: string; readonly durationMillis?: number };
}

const stored = async (thread: string): Promise<ReadonlyArray<Stored>> => {
  const { text } = await door.ask(`/v1/threads/${thread}/events`, {
    headers: { authorization: `Bearer ${door.local}` },
  });
  return (JSON.parse(text) as { readonly events: ReadonlyArray<Stored> }).events;
};

describe("Zen's storage on Recollect", { timeout: 120_000 }, () => {
  it("keeps questions of 111 bytes small, however often they come in with all that was said, also in another process", async () => {
    const first = await zen<Grown>("grow", "new", 0, 9);
    const second = await zen<Grown>("grow", first.id, 9, 17);
    const { turns, ...context } = second.thread;
    assert.lengthOf(turns, 34);
    assert.deepInclude(context, { tool_name: "chat", initial_context: { prompt: "begin", nested: { of: [1, null] } } });
    const said = first.said + second.said;
    // What is read back does not grow by itself: before each question stands what was said, and nothing of it twice.
    assert.isBelow(second.largest, 1.5 * said);
    for (const [at, { content, role }] of turns.entries()) {
      assert.strictEqual(role, at % 2 === 0 ? "user" : "assistant");
      if (role === "user")
        assert.match(content, new RegExp(`^Question ${String(at / 2).padStart(3, "0")}: [0-9a-f]{97}$`));
    }
    assert.deepInclude(turns[1], { model_metadata: { usage: { input_tokens: 7, output_tokens: 3 } } });
    assert.deepInclude(turns[2], { files: ["/x/a.py"] });
    const bytes = JSON.stringify(await stored(first.id)).length;
    assert.isBelow(bytes, 2.5 * said, `${first.sent + second.sent} bytes came in, ${said} were said`);
    assert.isAbove(first.sent + second.sent, 2 * bytes);
  });

  it("loses no turn of two servers that write to one conversation at the same time", async () => {
    const { turns } = await zen<{ readonly turns: ReadonlyArray<string> }>("two", 20);
    const of = (name: string) => Array.from({ length: 20 }, (_, at) => `${name} ${at}`);
    assert.sameMembers([...turns], [...of("one"), ...of("other")]);
    assert.deepStrictEqual(
      turns.filter((text) => text.startsWith("one")),
      of("one"),
    );
  });

  it("appends a turn once, however often it is written, and keeps those that say the same at another time", async () => {
    const { id, same, turns } = await zen<{ id: string; same: boolean; turns: number }>("again");
    assert.deepStrictEqual({ same, turns }, { same: true, turns: 3 });
    assert.deepStrictEqual(
      (await stored(id)).map(({ type }) => type),
      ["thread.opened", ...Array.from({ length: 3 }, () => "thread.message_appended")],
    );
    assert.deepStrictEqual(await zen("unknown"), { never: null });
  });

  it("records each execution of a tool by its log, with its outcome, duration and conversation", async () => {
    const { audit, dropped, id } = await zen<{ id: string; audit: string; dropped: number }>("tools");
    assert.strictEqual(dropped, 0);
    const events = await stored(audit);
    assert.deepStrictEqual(
      events.filter(({ type }) => type === "thread.tool_called").map(({ data }) => data.name),
      ["chat", "debug", "chat", "planner"],
    );
    const ends = events.filter(({ type }) => type === "thread.tool_returned");
    assert.sameDeepMembers(
      ends.map(({ correlationId, data }) => [data.outcome, correlationId]),
      [
        ["ok", id],
        ["ok", id],
        ["error", undefined],
      ],
    );
    assert.isTrue(ends.every(({ data }) => (data.durationMillis ?? -1) >= 0));
  });

  it("raises when nobody can say what was said, and never takes that for an expired conversation", async () => {
    const program = `
from recollect import Recollect, Unavailable
from recollect_storage import RecollectStorage
try:
    print(RecollectStorage(Recollect(url="http://127.0.0.1:9", patience=0.1)).get("thread:x"))
except Unavailable as problem:
    print(problem.code)`;
    assert.strictEqual(await python(door, ["-c", program]), "unreachable");
  });
});
