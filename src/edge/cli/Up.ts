/**
 * `recollect up`: the whole system in the foreground, and where to find everything.
 *
 * Room: edge.
 */
import { Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { resolve } from "node:path";
import { shellWord } from "../../machine/CalledAs.ts";
import * as Listen from "../../machine/Listen.ts";
import { type Address, Attach } from "./Attach.ts";
import { json, where } from "./Flags.ts";
import * as Output from "./Output.ts";
import { discover } from "../import/find/Discover.ts";

/** Transcripts on this machine that an empty store lacks: said once, with the commands that import them. */
const firstSteps = Effect.fnUntraced(function* () {
  const found = yield* discover;
  if (found.length === 0) {
    yield* Output.note("The store is empty. Bring in transcripts of Claude Code, Codex, Gemini CLI, chat files …");
    yield* Output.note(`  recollect import PATH`);
  } else {
    yield* Output.note("The store is empty. Transcripts found on this machine, and how to bring them in:");
    for (const place of found) {
      const atLeast = place.isAtLeast ? "at least " : "";
      const size = `${atLeast}${Output.counted(place.files, "file")}, ${Output.bytes(place.bytes)}`;
      yield* Output.note(`  recollect import ${shellWord(place.path)}    ${place.agent}: ${size}`);
    }
  }
});

const announce = Effect.fnUntraced(function* (address: Address) {
  yield* Output.note("Recollect is running. Ctrl-C stops it; everything acknowledged is on disk.");
  yield* Output.note("");
  yield* Output.note(`  NATS       ${address.nats}`);
  if (address.http !== undefined) yield* Output.note(`  HTTP       ${address.http}`);
  if (address.https !== undefined) yield* Output.note(`  HTTPS      ${address.https}    from other machines`);
  yield* Output.note(`  database   ${address.database}`);
  yield* Output.note(`  data       ${address.data}`);
  if (address.http !== undefined) yield* Output.note(`  page       recollect open    opens it in a browser`);
  yield* Output.note("");
  for (const { hint, message, name } of address.conditions) yield* Output.note(`${name}: ${message}\n  ${hint}\n`);
  if (address.isEmpty) yield* firstSteps();
  yield* Output.note(address.isEmpty ? "\nThen:" : "Try next:");
  yield* Output.note(`  recollect threads`);
  yield* Output.note(`  recollect sql "SELECT * FROM v_tool_stats LIMIT 10"`);
  yield* Output.note(`  recollect wrap -- COMMAND    records a stdio MCP server`);
});

const hourMillis = 3_600_000;
/** A month: a thread without a read in that time is folded from the log again at the next one. */
const longestTtlHours = 30 * 24;

export const up = Command.make(
  "up",
  {
    port: Flag.Int("port").pipe(
      Flag.filter(
        (port) => port >= 1 && port <= 65_535,
        () => "a port is from 1 to 65535",
      ),
      Flag.withMetavar("PORT"),
      Flag.withDescription("Port of nats-server (default: the one of last time, else 4222, else a free one)"),
      Flag.optional,
    ),
    snapshotTtl: Flag.Int("snapshot-ttl").pipe(
      Flag.filter(
        (hours) => hours >= 1 && hours <= longestTtlHours,
        () => `snapshots live from 1 to ${longestTtlHours} hours`,
      ),
      Flag.withMetavar("HOURS"),
      Flag.withDescription("How long an unused thread's snapshot stays in KV (default: as before, at first 24)"),
      Flag.optional,
    ),
    witness: Flag.String("witness").pipe(
      Flag.withMetavar("PLACE"),
      Flag.withDescription(
        "A file outside of the data folder, or nats://HOST:PORT/BUCKET?creds=FILE, that is told how far the record reaches (RECOLLECT_WITNESS)",
      ),
      Flag.optional,
    ),
    httpPort: Flag.Int("http-port").pipe(
      Flag.filter(
        (port) => port >= 1 && port <= 65_535,
        () => "a port is from 1 to 65535",
      ),
      Flag.withMetavar("PORT"),
      Flag.withDescription("Port of the HTTP interface (default: the one of last time, else 4280, else a free one)"),
      Flag.optional,
    ),
    listen: Flag.String("listen").pipe(
      Flag.withMetavar("ADDRESS"),
      Flag.withDescription("Serve other machines, too, at this address of ours (0.0.0.0: all); needs a certificate"),
      Flag.optional,
    ),
    listenCert: Flag.File("listen-cert").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("Certificate (PEM) under which NATS and HTTP are served with --listen"),
      Flag.optional,
    ),
    listenKey: Flag.File("listen-key").pipe(
      Flag.withMetavar("FILE"),
      Flag.withDescription("The certificate's key (PEM)"),
      Flag.optional,
    ),
    noHttp: Flag.Boolean("no-http").pipe(Flag.withDefault(false), Flag.withDescription("Serve nothing over HTTP")),
    json,
  },
  Effect.fn("cli.up")(function* (input) {
    const attach = yield* Attach;
    const place = yield* where;
    return yield* Effect.gen(function* () {
      const listen = yield* Listen.wanted({
        address: Option.getOrUndefined(input.listen),
        certFile: Option.getOrUndefined(Option.map(input.listenCert, (file) => resolve(file))),
        keyFile: Option.getOrUndefined(Option.map(input.listenKey, (file) => resolve(file))),
      });
      const address = yield* attach.up({
        listen,
        ...place,
        port: Option.getOrUndefined(input.port),
        witness: Option.getOrUndefined(input.witness),
        http: input.noHttp ? undefined : { port: Option.getOrUndefined(input.httpPort) },
        snapshotTtlMillis: Option.getOrUndefined(Option.map(input.snapshotTtl, (hours) => hours * hourMillis)),
      });
      if (input.json) {
        const { data, database, http, https, nats } = address;
        const doors = { ...(http === undefined ? {} : { http }), ...(https === undefined ? {} : { https }) };
        yield* Output.json({ ready: true, nats, ...doors, database, data });
      } else {
        yield* announce(address);
      }
      return yield* Effect.never;
    }).pipe(
      Effect.scoped,
      Effect.onInterrupt(() => Output.note("Stopped.")),
    );
  }),
).pipe(
  Command.withDescription("Run the store in the foreground: nats-server, snapshotter, projector, HTTP"),
  Command.withExamples([
    { command: "recollect up", description: "Run with the data of last time" },
    { command: "recollect up --data ./memory --json", description: "Another folder; one JSON line when ready" },
  ]),
);
