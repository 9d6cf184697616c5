/**
 * `recollect cost`: what was spent today and lately, in one line for shells and agents.
 *
 * Room: edge.
 *
 * Asks the database as it lies there and starts nothing: a prompt line must not wait for a server.
 */
import { Clock, Effect, Option, Schema, Stdio, Stream } from "effect";
import { Command, Flag } from "effect/cli";
import { Query } from "../../../query/Query.ts";
import { costOf, type CostRequest, costStatement, costValues } from "../../../query/report/CostStatement.ts";
import { databaseAsItLies, json, tenant } from "../Flags.ts";
import * as Output from "../Output.ts";
import { zone } from "./AskFlags.ts";
import { lineOf, statusOf } from "./CostText.ts";
import { momentInZone } from "./ZonedTime.ts";

/** Longest wait for the agent's JSON on the standard input: it comes at once or never. */
const inputMillis = 100;

/** Input of Claude Code for its status line; other programs may give the same. */
const StatusInput = Schema.fromJsonString(Schema.Struct({ session_id: Schema.String }));
const decodeStatus = Schema.decodeUnknownOption(StatusInput);

const sessionOnStdin = Effect.gen(function* () {
  if (process.stdin.isTTY === true) return undefined;
  const stdio = yield* Stdio.Stdio;
  const text = yield* Stream.mkString(Stream.decodeText(stdio.stdin)).pipe(
    Effect.timeoutOption(inputMillis),
    Effect.catch(() => Effect.succeed(Option.none<string>())),
  );
  return Option.getOrUndefined(Option.map(Option.flatMap(text, decodeStatus), ({ session_id: id }) => id));
});

const costLine = Effect.fnUntraced(function* (request: CostRequest) {
  const { rows } = yield* (yield* Query).select(costStatement, costValues(request));
  return costOf(rows, request);
});

export const cost = Command.make(
  "cost",
  {
    statusline: Flag.Boolean("statusline").pipe(
      Flag.withDefault(false),
      Flag.withDescription("As short as it can be; of the session that an agent names as JSON on the standard input"),
    ),
    session: Flag.String("session").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription("Also what this thread has spent"),
      Flag.optional,
    ),
    tz: zone,
    tenant,
    json,
  },
  Effect.fn("cli.cost")(function* (input) {
    const now = yield* Clock.currentTimeMillis;
    const own = Option.getOrUndefined(input.tz);
    const day = new Intl.DateTimeFormat("sv-SE", own === undefined ? {} : { timeZone: own }).format(now);
    const named = Option.getOrUndefined(input.session);
    const session = named ?? (input.statusline ? yield* sessionOnStdin : undefined);
    const today = momentInZone(day, now, own) ?? now;
    const line = yield* databaseAsItLies(costLine({ tenant: input.tenant, today, session }));
    if (input.json) return yield* Output.json(line);
    return yield* Output.line(input.statusline ? statusOf(line) : lineOf(line));
  }),
).pipe(
  Command.withDescription("Tokens and cost of today and lately, in one line"),
  Command.withExamples([
    { command: "recollect cost", description: "Today, seven days, thirty days" },
    { command: "recollect cost --statusline", description: "For an agent's status line: this session, and today" },
  ]),
);
