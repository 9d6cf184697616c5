/**
 * `recollect mcp`: the store for agents, as an MCP server on standard input and output.
 *
 * Room: edge.
 *
 * It answers its client at once and reaches for the store when a tool is first called: agents start all their servers with
 * themselves, and most of them are not asked.
 */
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, Layer, Option } from "effect";
import { Command, Flag } from "effect/cli";
import * as Layers from "../../client/Layers.ts";
import { ofProcess, type Role, roles } from "../mcp/Caller.ts";
import * as StoragePolicyFile from "../../publish/storing/StoragePolicyFile.ts";
import * as Desk from "../mcp/Desk.ts";
import { Attach } from "./Attach.ts";
import { recollect, where } from "./Flags.ts";

const roleNames = Object.keys(roles) as [Role, ...Array<Role>];

export const mcp = Command.make(
  "mcp",
  {
    role: Flag.Literals("role", roleNames).pipe(
      Flag.withDescription(
        "What the agent may do: reader asks, publisher also writes, worker also gives tasks, operator also asks in SQL (default)",
      ),
      Flag.withDefault("operator" satisfies Role as Role),
    ),
    thread: Flag.String("thread").pipe(
      Flag.withMetavar("ID"),
      Flag.withDescription(
        "The thread that the agent itself is in, which search leaves out (default: as its environment says)",
      ),
      Flag.optional,
    ),
    tenant: Flag.String("tenant").pipe(
      Flag.withMetavar("NAME"),
      Flag.withDescription("Whose record (default: default)"),
      Flag.optional,
    ),
  },
  Effect.fn("cli.mcp")(function* (input) {
    const place = yield* where;
    const attach = yield* Attach;
    const tenant = Option.getOrUndefined(input.tenant);
    const who = ofProcess({ role: input.role, tenant, thread: Option.getOrUndefined(input.thread) }, process.env);
    const client = {
      url: place.natsUrl,
      data: place.data,
      access: place.access,
      tenant,
      source: "recollect/mcp",
    };
    const writing = Layers.tasks(client).pipe(
      Layer.provideMerge(Layers.core(client)),
      Layer.provide(NodeServices.layer),
    );
    const { database, root } = yield* attach.folder(place);
    const earlier = Layer.unwrap(
      Effect.map(
        Effect.promise(() => import("../../query/earlier/EarlierStoresSqlite.ts")),
        (stores) => stores.layer({ path: database }),
      ),
    );
    const { raw } = yield* recollect;
    const desk = Desk.layerLazy({ raw, query: attach.readModels(place), writing, earlier }).pipe(
      Layer.provide(StoragePolicyFile.layer(root)),
    );
    const { serveStdio } = yield* Effect.promise(() => import("../mcp/Server.ts"));
    yield* Effect.provide(serveStdio(who), desk);
  }),
).pipe(
  Command.withDescription("Let an agent search, read and write the record: an MCP server on standard input and output"),
  Command.withExamples([
    {
      command: "claude mcp add recollect -- recollect mcp",
      description: "For Claude Code; other agents take the same command in their configuration",
    },
    { command: "recollect mcp --role reader", description: "For an agent that may only ask" },
  ]),
);
