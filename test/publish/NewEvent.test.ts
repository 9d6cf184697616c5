/** What a caller says, as the event's body says it. */
import { assert, describe, it } from "@effect/vitest";
import { Effect } from "effect";
import { task, thread } from "../../src/domain/History.ts";
import { compose } from "../../src/publish/write/NewEvent.ts";
import { writing } from "../support/writing.ts";

class Point {
  readonly x = 1;
  toJSON() {
    return { point: this.x };
  }
}

/** What JSON says as it is, and what it leaves out, replaces, or writes in its own way. */
const leaves: ReadonlyArray<unknown> = [
  "text",
  "\ud800 alone",
  "",
  1.5,
  -0,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  true,
  null,
  undefined,
  Symbol("s"),
  () => 1,
  new Date(0),
  new Date(Number.NaN),
  new Point(),
  new Map([[1, 2]]),
  new Uint8Array([1, 2]),
  Buffer.from("ab"),
  new String("boxed"),
  { toJSON: () => "itself" },
  Object.assign(Object.create(null), { bare: 1 }),
  Object.defineProperty({}, "hidden", { value: 1, enumerable: false }),
  // oxlint-disable-next-line no-sparse-arrays
  [1, , 3],
  { __proto__: { inherited: 1 }, own: 2 },
  JSON.parse('{"__proto__":1}'),
  Object.create({ inherited: 1 }),
];

/** Each of them alone, in a list, in an object, and far below. */
const given = leaves.flatMap((leaf): ReadonlyArray<unknown> => {
  let deep: unknown = leaf;
  for (let depth = 0; depth < 40; depth++) deep = depth % 2 === 0 ? [deep] : { deep };
  return [leaf, [leaf, "after"], { before: 1, leaf, after: 2 }, { at: [{ leaf }] }, deep];
});

const toolUse = (args: unknown) => ({
  messageId: "m",
  role: "assistant",
  parts: [{ type: "tool_use" as const, callId: "c", name: "run", arguments: args }],
});

const bodyOf = (args: unknown) =>
  compose({ history: thread("t"), type: "thread.message_appended", data: toolUse(args) }, writing("test")).pipe(
    Effect.map(({ event }) => String(event.body)),
  );

describe("a command", () => {
  it.effect("holds its data as JSON writes it, whatever the caller hands over", () =>
    Effect.gen(function* () {
      for (const args of given) assert.strictEqual(yield* bodyOf(args), JSON.stringify(toolUse(args)));
    }),
  );

  it.effect("is checked as JSON writes it", () =>
    Effect.gen(function* () {
      const said = (text: unknown, extra: object = {}) =>
        compose(
          {
            history: thread("t"),
            type: "thread.message_appended",
            data: { messageId: "m", role: "user", parts: [{ type: "text", text: text as string }], ...extra },
          },
          writing("test"),
        );
      yield* said(new Date(0));
      yield* said({ toJSON: () => "a text" });
      yield* said("a text", { parentMessageId: undefined });
      for (const text of [Number.NaN, undefined, new Point(), ["a text"]]) {
        const { message } = yield* Effect.flip(said(text));
        assert.match(message, /text/);
      }
    }),
  );

  it.effect("keeps what its Schema does not know, but refuses it in a task, where it would be secrets", () =>
    Effect.gen(function* () {
      const said = { messageId: "m", role: "user", parts: [], mood: "bright" };
      const kept = yield* compose(
        { history: thread("t"), type: "thread.message_appended", data: said },
        writing("test"),
      );
      assert.deepStrictEqual(JSON.parse(String(kept.event.body)), said);
      const submit = (data: { readonly request: { readonly agentType: string } }) =>
        compose({ history: task("t"), type: "task.submitted", data }, writing("test"));
      yield* submit({ request: { agentType: "reviewer" } });
      const request = { agentType: "reviewer", environment: { API_KEY: "secret" } };
      for (const data of [{ request }, { request: { agentType: "reviewer" }, environment: {} }]) {
        const { message } = yield* Effect.flip(submit(data));
        assert.match(message, /environment/);
        assert.notMatch(message, /secret/);
      }
    }),
  );

  it.effect("is refused with a sentence when its data is no JSON: a cycle, a BigInt", () =>
    Effect.gen(function* () {
      const cycle: Array<unknown> = [];
      cycle.push(cycle);
      for (const args of [cycle, 1n]) {
        const { message } = yield* Effect.flip(bodyOf(args));
        assert.match(message, /^The data is not JSON/);
      }
    }),
  );
});
