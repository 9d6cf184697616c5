import { assert, describe, it } from "@effect/vitest";
import { Effect, Schema } from "effect";
import { join } from "node:path";
import { readModels } from "../../projections/all.ts";
import type { LogEntry } from "../../src/domain/Event.ts";
import type { Fact } from "../../src/domain/Fact.ts";
import { thread } from "../../src/domain/History.ts";
import type { Projection } from "../../src/projection/Projection.ts";
import * as ReadModelSqlite from "../../src/projection/ReadModelSqlite.ts";
import type { Indexes } from "../../src/projection/SchemaSqlite.ts";
import { event } from "../projection/StubLog.ts";
import { applyAll, ask, temporaryFolder } from "../projection/World.ts";

const quarter = 900_000;
const chance = (seed: number) => {
  let state = seed * 2_654_435_761;
  return (below: number): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return ((state ^ (state >>> 13)) >>> 0) % below;
  };
};

/** Facts of all that may stand aside: told again, by a second witness, as a copy, in whichever order. */
const factsFor = (seed: number, sequence: number, name: number): ReadonlyArray<Fact> => {
  const draw = chance(seed * 1000 + sequence);
  const secondHand = draw(4) === 0;
  const other = "t0";
  const copied = name > 0 && draw(3) === 0;
  const at = draw(5) === 0 ? undefined : draw(4) * quarter + 5;
  const message = `m${draw(6)}`;
  const call = `c${draw(4)}`;
  const usage = `u${draw(4)}`;
  const twin = draw(2) === 0 ? { name: `w${draw(5)}`, isOriginal: draw(2) === 0 } : undefined;
  return [
    {
      _tag: "MessageSaid",
      messageId: message,
      segment: "",
      role: draw(2) === 0 ? "user" : "assistant",
      model: draw(3) === 0 ? "opus" : undefined,
      parts: [{ type: "text", text: `${sequence}` }],
      secondHand,
      copyOf: copied ? other : undefined,
      twin: copied ? undefined : twin,
      at,
    },
    draw(2) === 0
      ? {
          _tag: "ToolWasCalled",
          callKey: `t${name} ${call}`,
          callId: call,
          name: `tool${draw(2)}`,
          arguments: "{}",
          secondHand,
          copyOf: copied ? `${other} ${call}` : undefined,
          twin: copied ? undefined : twin,
          at,
        }
      : {
          _tag: "ToolHasReturned",
          callKey: `t${name} ${call}`,
          callId: call,
          outcome: draw(2) === 0 ? "ok" : "error",
          resultBytes: draw(100),
          durationMillis: draw(2) === 0 ? draw(50) / 7 : undefined,
          secondHand,
          copyOf: copied ? `${other} ${call}` : undefined,
          at,
        },
    {
      _tag: "TokensUsed",
      usageKey: `t${name} ${usage}`,
      providerMessageId: usage,
      usage: { input: draw(100), output: draw(100) },
      costUsd: draw(2) === 0 ? draw(100) / 7 : undefined,
      secondHand,
      copyOf: copied ? `${other} ${usage}` : undefined,
      twin: copied ? undefined : twin,
      at,
    },
  ];
};

const told = (seed: number, count: number) => {
  const entries: Array<LogEntry> = [];
  const facts = new Map<number, ReadonlyArray<Fact>>();
  for (let sequence = 1; sequence <= count; sequence++) {
    const name = chance(seed + sequence)(3);
    entries.push(event(sequence, "thread.renamed", { title: "x" }, { in: thread(`t${name}`) }));
    facts.set(sequence, factsFor(seed, sequence, name));
  }
  const projections = readModels.map((projection): Projection => ({
    ...projection,
    handle: ({ sequence, ...rest }, _, quoting) => {
      const given = facts.get(sequence) ?? [];
      return projection.handle({ sequence, ...rest }, given, quoting);
    },
    ...(projection.facts === undefined || projection.facts.length === 0
      ? {}
      : { facts: [...projection.facts, "ThreadDescribed"] }),
  }));
  return { entries, projections };
};

const foldedWith = Effect.fnUntraced(function* (given: ReturnType<typeof told>, indexes: Indexes, size: number) {
  const file = join(yield* temporaryFolder, "model.db");
  const model = yield* Effect.acquireRelease(
    ReadModelSqlite.open({ file, projections: given.projections, durability: "scratch", indexes }),
    ({ close }) => close,
  );
  yield* applyAll(model, given.entries.slice(0, -5), size);
  if (indexes !== "all") yield* model.index;
  if (indexes !== "none") yield* applyAll(model, given.entries.slice(-5), size);
  return { file, digests: yield* model.digests };
});

/** Sums asked of the facts, and of what is kept of them. */
const sums = [
  [
    `SELECT coalesce(occurred_at / ${quarter} * ${quarter}, 0) AS quarter, thread_id, kind, count(*) AS n FROM v_messages
     WHERE is_copied = 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    "SELECT quarter_at AS quarter, thread_id, kind, sum(messages) AS n FROM v_message_activity GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
  ],
  [
    `SELECT coalesce(started_at / ${quarter} * ${quarter}, 0) AS quarter, thread_id, tool_name, count(*) AS n, sum(outcome = 'error') AS errors,
       count(duration_millis) AS timed, coalesce(sum(result_bytes), 0) AS bytes FROM v_tool_calls GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
    `SELECT quarter_at AS quarter, thread_id, tool_name, calls AS n, errors, timed, result_bytes AS bytes FROM v_call_activity ORDER BY 1, 2, 3`,
  ],
  [
    `SELECT coalesce(occurred_at / ${quarter} * ${quarter}, 0) AS quarter, thread_id, count(*) AS n, sum(input_tokens) AS input,
       round(coalesce(sum(cost_usd), 0), 6) AS cost FROM v_token_usage GROUP BY 1, 2 ORDER BY 1, 2`,
    `SELECT quarter_at AS quarter, thread_id, sum(provider_messages) AS n, sum(input_tokens) AS input,
       round(coalesce(sum(cost_usd), 0), 6) AS cost FROM v_token_activity GROUP BY 1, 2 ORDER BY 1, 2`,
  ],
] as const;

const Seed = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }));

describe("what SQLite keeps in step", () => {
  it.effect.prop(
    "is the same whether it was kept up row by row or made at the end, and in whichever batches",
    [Seed],
    ([seed]) =>
      Effect.gen(function* () {
        const given = told(seed, 120);
        const live = yield* foldedWith(given, "all", 1 + (seed % 40));
        const later = yield* foldedWith(given, "later", 1000);
        assert.deepStrictEqual(later.digests, live.digests);
        for (const [facts, kept] of sums) assert.deepStrictEqual(ask(live.file, kept), ask(live.file, facts));
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 3 } },
  );

  it.live("these facts do tell of the same things twice, and take each other's place", () =>
    Effect.gen(function* () {
      const { file } = yield* foldedWith(told(7, 120), "all", 10);
      for (const table of ["messages", "tool_calls", "token_usage"])
        assert.deepStrictEqual(
          ask(file, `SELECT DISTINCT elsewhere FROM ${table} ORDER BY 1`).map(({ elsewhere }) => elsewhere),
          [null, 1, 2],
          table,
        );
    }).pipe(Effect.scoped),
  );
});
