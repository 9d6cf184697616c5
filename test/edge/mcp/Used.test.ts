import { assert, describe, layer, it as plain } from "@effect/vitest";
import { Effect, Layer } from "effect";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { tokensIn } from "../../../src/query/brief/Tokens.ts";
import { imported, store } from "../../support/Imported.ts";
import { argumentsOf, questions } from "./Questions.ts";
import { client, who } from "./World.ts";

const data = process.env["RECOLLECT_TEST_DATA"] ?? resolve(import.meta.dirname, "../../../../shared/data");
const sets = ["claude-code-entire", "codex-rollouts", "gemini-cli-entire", "pi-session"].map((name) =>
  join(data, name),
);

const mostCalls = 3;
const mostTokens = 15_000;

const world = Layer.effectDiscard(imported(sets)).pipe(Layer.provideMerge(store));

describe("twenty questions over real transcripts", () => {
  if (!sets.every((set) => existsSync(set))) {
    console.warn("SKIPPED: the real transcripts are not there; set RECOLLECT_TEST_DATA to their folder");
    plain("SKIPPED: set RECOLLECT_TEST_DATA to the folder of the real transcripts", ({ skip }) => skip());
    return;
  }
  layer(world, { excludeTestServices: true, timeout: 120_000 })((it) => {
    it.effect(
      "are answered by a client that sees names, descriptions and answers only, in three calls and 15,000 tokens each",
      () =>
        Effect.gen(function* () {
          const made = yield* client(who("operator"));
          const { tools } = yield* made.listTools();
          assert.lengthOf(questions, 20);
          const spent: Array<{ readonly calls: number; readonly tokens: number }> = [];
          const wrong: Array<string> = [];
          for (const { answer, asked, steps } of questions) {
            let said = "";
            let tokens = 0;
            for (const step of steps) {
              const call = argumentsOf(tools, step, said);
              tokens += tokensIn(JSON.stringify(call));
              said = (yield* made.say(call.name, call.arguments)).text;
              tokens += tokensIn(said);
            }
            spent.push({ calls: steps.length, tokens });
            if (!answer.test(said)) wrong.push(`${asked} ${said.slice(0, 300)}`);
            assert.isAtMost(steps.length, mostCalls, asked);
            assert.isAtMost(tokens, mostTokens, asked);
          }
          assert.deepStrictEqual(wrong, []);
          const sum = (of: (each: (typeof spent)[number]) => number) => spent.reduce((all, each) => all + of(each), 0);
          const most = Math.max(...spent.map(({ tokens }) => tokens));
          console.info(
            `20 questions: ${sum(({ calls }) => calls)} calls, ${sum(({ tokens }) => tokens)} tokens, at most ${most}; the tools themselves ${tokensIn(JSON.stringify(tools))}`,
          );
        }).pipe(Effect.scoped),
      120_000,
    );
  });
});
