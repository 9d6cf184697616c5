/**
 * `recollect wrap -- COMMAND`: a stdio MCP server, recorded.
 *
 * Room: edge.
 *
 * The quick way in is `wrap/Arguments.ts`; this one is reached for `--help`, and for flags in an unusual form.
 */
import { Effect, Option } from "effect";
import { Argument, Command, Flag } from "effect/cli";
import { cacheToolsOf } from "../wrap/CallLine.ts";
import { wrap as wrapServer } from "../wrap/WrapEffect.ts";
import { BadRequest } from "./Failure.ts";
import { where } from "./Flags.ts";

/** A server has a dozen tools; who wants all of a hundred wants another server. */
const maxCacheTools = 100;

export const wrap = Command.make(
  "wrap",
  {
    thread: Flag.String("thread").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription(
        "Record into this thread (default: a new one, a child of the session in CLAUDE_CODE_SESSION_ID)",
      ),
      Flag.optional,
    ),
    tenant: Flag.String("tenant").pipe(Flag.withDescription("Whose thread"), Flag.optional),
    cacheTool: Flag.String("cache-tool").pipe(
      Flag.filter(
        (word) => cacheToolsOf([word]) !== undefined,
        () => "it is no tool. Write NAME, or NAME=MILLISECONDS for how long its answers live.",
      ),
      Flag.withMetavar("NAME[=MILLIS]"),
      Flag.withDescription("Give this tool's answers again to equal calls; may be repeated (see docs/caches.md)"),
      Flag.atMost(maxCacheTools),
    ),
    cache: Flag.Boolean("cache").pipe(
      Flag.withDefault(false),
      Flag.withDescription(
        "Give answers again to equal calls of the tools that the configuration names: cache.responses.tools.NAME (default: no)",
      ),
    ),
    limits: Flag.Boolean("limits").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Refuse tool calls that are over a limit of the configuration (default: no)"),
    ),
    user: Flag.String("user").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Whose calls they are, for limits per user"),
      Flag.optional,
    ),
    http: Flag.String("http").pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription(
        "A server of streamable HTTP, in place of a command: it is served on a port of this machine",
      ),
      Flag.optional,
    ),
    port: Flag.Int("port").pipe(
      Flag.filter(
        (port) => port >= 0 && port <= 65_535,
        () => "it is no port",
      ),
      Flag.withDescription("With --http: that port (default: any free one)"),
      Flag.optional,
    ),
    command: Argument.String("command").pipe(
      Argument.withDescription("The server's command, after --"),
      Argument.variadic({ min: 0 }),
    ),
  },
  Effect.fn("cli.wrap")(function* (input) {
    const { access, data, natsUrl } = yield* where;
    if (Option.isSome(input.user) && !input.limits) {
      return yield* new BadRequest({ message: "--user is said to limits only.", hint: "Add --limits." });
    }
    const http = Option.getOrUndefined(input.http);
    if ((http === undefined) !== input.command.length > 0) {
      const message = "There is one server: a command after --, or an address with --http.";
      return yield* new BadRequest({ message, hint: "recollect wrap -- node server.js, or recollect wrap --http URL" });
    }
    if (http === undefined ? Option.isSome(input.port) : input.limits || input.cache || input.cacheTool.length > 0) {
      const message = "--port is said with --http, and limits and answers that are given again with a command.";
      return yield* new BadRequest({ message });
    }
    const given = <A>(name: string, value: A | undefined) => (value === undefined ? {} : { [name]: value });
    const code = yield* wrapServer({
      command: input.command,
      cacheTools: input.cacheTool,
      cache: input.cache,
      ...given("thread", Option.getOrUndefined(input.thread)),
      ...given("tenant", Option.getOrUndefined(input.tenant)),
      ...given("http", http),
      ...given("port", Option.getOrUndefined(input.port)),
      ...given("url", natsUrl),
      ...given("data", data),
      ...given("access", access),
      ...(input.limits ? { limits: { user: Option.getOrUndefined(input.user) } } : {}),
    });
    yield* Effect.sync(() => {
      process.exitCode = code;
    });
  }),
).pipe(
  Command.withDescription(
    "Run a stdio MCP server, or stand before one of HTTP, and record its session and tool calls; nothing of it changes (unless --limits refuses a call, or --cache answers it)",
  ),
  Command.withExamples([
    {
      command: "recollect wrap --http https://example.com/mcp --port 4290",
      description: "http://127.0.0.1:4290/mcp is that server, recorded",
    },
    {
      command: "recollect wrap -- npx my-mcp-server",
      description: "In place of `npx my-mcp-server` in the client's configuration",
    },
  ]),
);
