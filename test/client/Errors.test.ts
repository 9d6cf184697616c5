/** What a promise of Recollect rejects with, and how it is closed. No server: the log is away. */
import { assert, describe, it } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidEvent, Recollect, RecollectClosed } from "recollect";

type Failure = Error & { readonly code?: string; readonly hint?: string; readonly cause?: unknown };

const failureOf = async (call: () => Promise<unknown>): Promise<Failure> => {
  try {
    await call();
  } catch (error) {
    assert.instanceOf(error, Error);
    return error as Failure;
  }
  return assert.fail("nothing was refused");
};

const allOf = async (values: AsyncIterable<unknown>): Promise<number> => {
  let count = 0;
  for await (const _ of values) count++;
  return count;
};

const inFolder = async (test: (recollect: Recollect) => Promise<void>) => {
  const data = mkdtempSync(join(tmpdir(), "recollect-errors-"));
  const recollect = await Recollect.connect({ url: "nats://127.0.0.1:9", data, client: "errors" });
  try {
    await test(recollect);
  } finally {
    await recollect.close();
    rmSync(data, { recursive: true });
  }
};

describe("a call that is refused", () => {
  it("rejects with an Error that has a sentence, a code, a hint and a cause", () =>
    inFolder(async (recollect) => {
      const thread = recollect.thread("x");
      const history = recollect.history({ thread: "x" });
      const cycle: { self?: unknown } = {};
      cycle.self = cycle;
      const calls: Readonly<Record<string, readonly [string, RegExp, () => Promise<unknown>]>> = {
        away: ["LogUnavailable", /./, () => allOf(thread.messages())],
        "no words": ["InvalidEvent", /neither text nor parts/, () => thread.say({ role: "user" })],
        "another name for words": [
          "InvalidEvent",
          /`content` is not looked at/,
          () => thread.say({ role: "user", content: "x" } as never),
        ],
        "no role": ["InvalidEvent", /./, () => thread.say({ role: 5 as never, text: "x" })],
        "no JSON": [
          "InvalidEvent",
          /not JSON/,
          () => thread.say({ role: "user", parts: [{ type: "other", kind: "x", value: cycle as never }] }),
        ],
        "no such type": [
          "InvalidEvent",
          /"myapp\.thing" is no event type/,
          () => recollect.publish({ type: "myapp.thing" as never, id: "x", data: {} as never }),
        ],
        "no object": ["InvalidArgument", /say takes an object, and was given null/, () => thread.say(null as never)],
        "no list": ["InvalidArgument", /sync takes a list/, () => thread.sync({} as never)],
        "no message": ["InvalidArgument", /send takes an object/, () => recollect.inbox.send(undefined as never)],
        "no receiver": ["InboxRefused", /no name/, () => recollect.inbox.send({} as never)],
        "no task": ["InvalidArgument", /submit takes an object/, () => recollect.tasks.submit(null as never)],
        "no agent types": [
          "InvalidArgument",
          /agentTypes takes an object/,
          async () => recollect.tasks.work({ run: () => undefined } as never),
        ],
        "no target": ["InvalidArgument", /watch takes an object/, async () => recollect.watch(undefined as never)],
        "no list of tasks": [
          "InvalidArgument",
          /submitBatch takes a list/,
          () => recollect.tasks.submitBatch("x" as never),
        ],
        "no work": ["InvalidArgument", /work takes an object/, async () => recollect.tasks.work(undefined as never)],
        "nothing to run": [
          "InvalidArgument",
          /work's run takes a function, and was given undefined/,
          async () => recollect.tasks.work({ agentTypes: ["a"] } as never),
        ],
        "no receiving": [
          "InvalidArgument",
          /receive takes an object/,
          () => recollect.inbox.receive(undefined as never),
        ],
        "no handler": [
          "InvalidArgument",
          /receive's handle takes a function/,
          () => recollect.inbox.receive({ name: "x" } as never),
        ],
        "nothing to take": ["InvalidArgument", /take takes an object/, () => recollect.inbox.take(undefined as never)],
        "no thread": ["InvalidArgument", /thread takes a text/, async () => recollect.thread(5 as never)],
        "no history": ["InvalidArgument", /history takes an object/, async () => recollect.history("x" as never)],
        "no fork": ["InvalidArgument", /fork takes an object/, () => thread.fork("x" as never)],
        "no reading": ["InvalidArgument", /read takes an object, and was given null/, () => thread.read(null as never)],
        "nothing to publish": [
          "InvalidArgument",
          /publish takes an object/,
          () => recollect.publish(undefined as never),
        ],
        "no list of events": ["InvalidArgument", /append takes a list/, () => history.append("x" as never)],
        "no event": ["InvalidArgument", /append takes an object/, () => history.append([undefined as never])],
        "no fold": ["InvalidArgument", /a fold takes an object/, () => history.folded(5 as never)],
        "no path": ["InvalidArgument", /read takes a text/, () => recollect.files.read(5 as never)],
        "no limit": ["InvalidArgument", /take takes an object/, () => recollect.limits.take(undefined as never)],
        "no question": [
          "InvalidArgument",
          /reuse takes an object/,
          () => recollect.responses.reuse(undefined as never, async () => 1),
        ],
        "no function that asks": [
          "InvalidArgument",
          /reuse takes a function/,
          () => recollect.responses.reuse({ kind: "tool", name: "x", request: 1 }, undefined as never),
        ],
        "no stream": [
          "InvalidArgument",
          /deltas takes an async iterable, and was given number/,
          () => thread.answer({ role: "assistant" }).deltas(5 as never),
        ],
        "no delta": [
          "InvalidEvent",
          /no delta/,
          async () => thread.answer({ role: "assistant" }).delta({ type: "nonsense" } as never),
        ],
        "another name for an option": [
          "InvalidArgument",
          /no option clint/,
          () => Recollect.connect({ clint: "x" } as never),
        ],
        "no name": ["InvalidEvent", /name/, () => recollect.thread("").say({ role: "user", text: "x" })],
      };
      for (const [what, [code, words, call]] of Object.entries(calls)) {
        const failure = await failureOf(call);
        assert.deepStrictEqual([what, failure.code], [what, code]);
        assert.match(failure.message, words, what);
        assert.isString(failure.hint, what);
        assert.isTrue("cause" in failure, what);
      }
      assert.instanceOf(await failureOf(() => thread.say({ role: "user" })), InvalidEvent);
    }));

  it("is counted by flush, every one of them, also when nobody awaits it", () =>
    inFolder(async (recollect) => {
      for (let number = 0; number < 250; number++) void recollect.thread("x").say({ role: "user" });
      const { failures, refused } = await recollect.flush();
      assert.deepStrictEqual([refused, failures.length], [250, 100]);
      assert.strictEqual((await recollect.flush()).refused, 0);
    }));
});

describe("a client that is closed", () => {
  it("refuses every later call with an Error, and may be closed again", () =>
    inFolder(async (recollect) => {
      const thread = recollect.thread("x");
      const history = recollect.history({ thread: "x" });
      await thread.say({ role: "user", text: "a" });
      const flushed = await recollect.close();
      assert.deepInclude(flushed, { spooled: 1, refused: 0 });
      assert.deepStrictEqual(await recollect.close(), flushed);
      for (const call of [
        () => thread.say({ role: "user", text: "late" }),
        () => allOf(thread.messages()),
        () => allOf(history.events()),
        () => recollect.waiting(),
        () => recollect.tasks.submit({ agentType: "x", prompt: "x" } as never),
        async () => recollect.tasks.work({ agentTypes: ["x"], run: () => undefined }),
        () => recollect.sessions.active(),
        () => recollect.inbox.send({ from: "a", to: "b", body: 1 }),
        () => recollect.inbox.receive({ name: "b", handle: async () => undefined }),
        () => recollect.config.get({} as never),
        () => recollect.limits.take({ kind: "calls" } as never),
        () => recollect.files.read("/x"),
        () => allOf(recollect.watch("all")),
        () => recollect.sql("SELECT 1"),
        () => recollect.list(),
        async () => recollect.thread("y"),
      ]) {
        const failure = await failureOf(call);
        assert.instanceOf(failure, RecollectClosed);
        assert.strictEqual((failure as Failure).code, "RecollectClosed");
        assert.match(failure.message, /was closed/);
      }
    }));
});
