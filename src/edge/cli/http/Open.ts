/**
 * `recollect open`: the store in a browser, signed in by an address that works once.
 *
 * Room: edge.
 */
import { Clock, Effect, Option } from "effect";
import { Command, Flag } from "effect/cli";
import { ChildProcess, ChildProcessSpawner } from "effect/process";
import * as HttpTokens from "../../../log/access/HttpTokens.ts";
import { roles } from "../../../log/access/Roles.ts";
import { DataFolder } from "../../../machine/DataFolder.ts";
import * as Instance from "../../../machine/Instance.ts";
import { Attach } from "../Attach.ts";
import { NotFound } from "../Failure.ts";
import { json, tenant, where } from "../Flags.ts";
import * as Output from "../Output.ts";

/** A browser is there within seconds; who copies the address by hand has a while. */
const livesMillis = 5 * 60_000;

/** Program that opens an address, by system. */
const opener: Readonly<Record<string, readonly [string, ...ReadonlyArray<string>]>> = {
  darwin: ["open"],
  linux: ["xdg-open"],
  win32: ["cmd", "/c", "start", ""],
};

/** Best effort: where nothing opens it, the address was printed. */
const openIn = Effect.fnUntraced(function* (address: string) {
  const [command, ...words] = opener[process.platform] ?? ["xdg-open"];
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner;
  const options = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const code = yield* spawner
    .exitCode(ChildProcess.make(command ?? "xdg-open", [...words, address], options))
    .pipe(Effect.timeoutOption(5_000), Effect.option);
  if (Option.isNone(code)) yield* Output.note("No browser could be opened: use the address.");
});

const none = new NotFound({
  message: "No daemon serves HTTP on this data folder.",
  hint: "Start one with `recollect up` (without --no-http), or name another folder with --data DIR.",
});

export const open = Command.make(
  "open",
  {
    role: Flag.Literals("role", roles).pipe(
      Flag.withDefault("operator"),
      Flag.withDescription("What the browser may do (default: operator, as this user may)"),
    ),
    tenant,
    print: Flag.Boolean("print").pipe(Flag.withDefault(false), Flag.withDescription("Only print the address")),
    json,
  },
  Effect.fn("cli.open")(function* (input) {
    const attach = yield* Attach;
    const folder = yield* attach.folder(yield* where);
    const found = yield* Instance.find().pipe(Effect.provideService(DataFolder, folder));
    const url = Option.getOrUndefined(found)?.http;
    if (url === undefined) return yield* none;
    const { role } = input;
    const now = yield* Clock.currentTimeMillis;
    const code = yield* HttpTokens.createCode(folder.root, {
      name: "browser",
      role,
      tenant: input.tenant,
      now,
      livesMillis,
    });
    const address = `${url}/sign-in?code=${code}`;
    if (input.json) return yield* Output.json({ address, role, tenant: input.tenant, expiresAt: now + livesMillis });
    yield* Output.line(address);
    yield* Output.note(`Works once, within ${livesMillis / 60_000} minutes; the browser is ${role} for a week.`);
    if (!input.print && process.stdout.isTTY) yield* openIn(address);
  }),
).pipe(
  Command.withDescription("Open the store in a browser, signed in"),
  Command.withExamples([
    { command: "recollect open", description: "The page of the running store" },
    { command: "recollect open --print --role reader", description: "An address for a browser that only reads" },
  ]),
);
