/** A hook of an agent as its agent waits for it: one connection, one call after the other. */
import { Effect } from "effect";
import { percentile, type Row } from "../Harness.ts";
import { daemonDoor, expecting } from "../HttpDoor.ts";

const calls = 1_000;
/** Not counted: code that runs for the first time. */
const first = 200;

const body = (at: number) =>
  JSON.stringify({
    session_id: `hooked-${at % 5}`,
    hook_event_name: at % 2 === 0 ? "PreToolUse" : "PostToolUse",
    tool_name: "Bash",
    tool_use_id: `toolu_${Math.floor(at / 2)}`,
    tool_input: { command: "npm test" },
    ...(at % 2 === 0 ? {} : { tool_response: { stdout: "ok ".repeat(300) } }),
  });

const run = Effect.gen(function* () {
  const door = yield* daemonDoor;
  const [client] = yield* door.clients(1);
  const millis: Array<number> = [];
  for (let at = 0; at < calls + first; at++) {
    const began = performance.now();
    yield* Effect.promise(() =>
      expecting(
        200,
        client?.send({ method: "POST", path: "/hooks/claude-code", body: body(at) }) ?? Promise.resolve(0),
      ),
    );
    if (at >= first) millis.push(performance.now() - began);
  }
  return {
    ours: percentile(millis, 0.99),
    peer: null,
    peerName: "nothing",
    note: `p99 of ${calls}; p50 ${percentile(millis).toFixed(2)} ms`,
  };
}).pipe(Effect.orDie);

export const row: Row = {
  id: "hook-answer-p99",
  what: "answer to a hook of Claude Code, one after the other",
  unit: "ms",
  goal: { of: "ours", is: "at most", limit: 5 },
  run,
};
