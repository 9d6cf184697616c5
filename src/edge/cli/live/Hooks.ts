/**
 * `recollect hooks`: agents tell the store what they do, at once, by their own hooks.
 *
 * Room: edge.
 */
import { Effect, Result, Stdio } from "effect";
import { Argument, Command, Flag, Prompt } from "effect/cli";
import { get } from "node:http";
import { hookAgents } from "../../../domain/interpret/hooks/hookEvent.ts";
import * as OwnFile from "../../../machine/OwnFile.ts";
import { type AgentHooks, agentHooks, type HookOptions } from "../../hooks/install/AgentHooks.ts";
import { countOf, installed, uninstalled } from "../../hooks/install/HookChange.ts";
import * as HookFiles from "../../hooks/install/HookFiles.ts";
import { dropToken, ensureToken, heldToken } from "../../hooks/install/HookToken.ts";
import { diffLines } from "../../hooks/install/LineDiff.ts";
import { Attach } from "../Attach.ts";
import { BadRequest, NotFound } from "../Failure.ts";
import { json, where } from "../Flags.ts";
import * as Output from "../Output.ts";

const agents = Argument.Literals("agent", hookAgents).pipe(
  Argument.withDescription(`Which agents: ${hookAgents.join(", ")}`),
  Argument.variadic(),
);
const yes = Flag.Boolean("yes").pipe(Flag.withDefault(false), Flag.withDescription("Make the change that is shown"));
const dryRun = Flag.Boolean("dry-run").pipe(Flag.withDefault(false), Flag.withDescription("Only show the change"));

const rootOf = Effect.gen(function* () {
  const attach = yield* Attach;
  return (yield* Effect.flatMap(where, attach.folder)).root;
});

/** Default port of the door: hooks by HTTP have it in the agent's file. */
const usualPort = "4280";
const urlOf = Effect.fnUntraced(function* (root: string) {
  const port = yield* OwnFile.text(`${root}/http-port`).pipe(Effect.orElseSucceed(() => usualPort));
  return `http://127.0.0.1:${port.trim()}`;
});

interface Change {
  readonly hooks: AgentHooks;
  readonly file: string;
  readonly before: string | undefined;
  readonly after: string | undefined;
}

const unreadable = (file: string, cause: unknown) =>
  new BadRequest({
    message: `${file} cannot be changed: ${cause instanceof Error ? cause.message : String(cause)}.`,
    hint: "Nothing was changed. Mend the file, or put the hooks in by hand: docs/hooks.md says how.",
  });

const changeOf = Effect.fnUntraced(function* (
  hooks: AgentHooks,
  change: (text: string | undefined) => string | undefined,
) {
  const { file } = yield* HookFiles.placeOf(hooks);
  const before = yield* HookFiles.readFile(file);
  const after = yield* Effect.try({ try: () => change(before), catch: (cause) => unreadable(file, cause) });
  return { hooks, file, before, after } satisfies Change;
});

/** The same change with a token that was made after it was shown. */
const withToken = ({ before, file, hooks }: Change, options: HookOptions) =>
  Effect.try({
    try: (): Change => ({ hooks, file, before, after: installed(hooks, before, options) }),
    catch: (cause) => unreadable(file, cause),
  });

const isChange = ({ after, before }: Change): boolean => after !== before;

const shownChange = ({ after, before, file, hooks }: Change): ReadonlyArray<string> => {
  const what = before === undefined ? "new file" : after === undefined ? "taken away" : "changed";
  return [`${hooks.name}: ${file} (${what})`, ...diffLines(before, after).map((line) => `  ${line}`)];
};

/** Shows the changes, and whether they are to be made. */
const wanted = Effect.fnUntraced(function* (
  changes: ReadonlyArray<Change>,
  input: { readonly yes: boolean; readonly dryRun: boolean; readonly json: boolean },
) {
  if (!input.json) for (const change of changes) for (const row of shownChange(change)) yield* Output.line(row);
  if (input.dryRun) return false;
  if (input.yes) return true;
  const stdio = yield* Stdio.Stdio;
  const canAsk = (yield* stdio.stdinIsTerminal) && (yield* stdio.stdoutIsTerminal);
  const message = `Change ${Output.counted(changes.length, "file")}?`;
  if (!canAsk) return yield* new BadRequest({ message, hint: "Say --yes to make the change, or --dry-run to see it." });
  return yield* Prompt.run(Prompt.Confirm({ message, initial: true }));
});

const made = Effect.fnUntraced(function* (root: string, changes: ReadonlyArray<Change>) {
  const copies: Array<string | undefined> = [];
  for (const { after, before, file, hooks } of changes)
    copies.push(yield* HookFiles.writeFile({ root, agent: hooks.agent, file, before, after }));
  return copies;
});

const told = (change: Change, isMade: boolean, backup?: string) => ({
  agent: change.hooks.agent,
  file: change.file,
  changed: isMade,
  hooks: countOf(change.hooks, isMade ? change.after : change.before),
  ...(backup === undefined ? {} : { backup }),
});

/** The agents that are named, else those that are on this machine. */
const chosen = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  if (names.length > 0) return agentHooks.filter(({ agent }) => names.includes(agent));
  const found: Array<AgentHooks> = [];
  for (const hooks of agentHooks) {
    const { folder } = yield* HookFiles.placeOf(hooks);
    if (yield* HookFiles.isThere(folder)) found.push(hooks);
  }
  return found;
});

const install = Command.make(
  "install",
  {
    agents,
    yes,
    dryRun,
    brief: Flag.Boolean("brief").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Tell a session at its start of the last threads of its folder, and of open tasks"),
    ),
    failClosed: Flag.Boolean("fail-closed").pipe(
      Flag.withDefault(false),
      Flag.withDescription("Let no tool run that cannot be recorded, where the agent can refuse"),
    ),
    json,
  },
  Effect.fn("cli.hooks.install")(function* (input) {
    const root = yield* rootOf;
    const plans = yield* chosen(input.agents);
    if (plans.length === 0)
      return yield* new NotFound({
        message: "None of the agents whose hooks are known is on this machine.",
        hint: `Name one to install its hooks all the same: ${hookAgents.join(", ")}.`,
      });
    const options: HookOptions = {
      url: yield* urlOf(root),
      token: (yield* heldToken(root)) ?? "rct_MADE_AT_THE_INSTALL",
      script: yield* HookFiles.scriptOf(root),
      node: process.execPath,
      isBriefed: input.brief,
      isClosed: input.failClosed,
    };
    const all = yield* Effect.forEach(plans, (hooks) => changeOf(hooks, (text) => installed(hooks, text, options)));
    const shown = all.filter(isChange);
    const isMade = shown.length > 0 && (yield* wanted(shown, input));
    const isKept = !input.dryRun && (isMade || shown.length === 0);
    // The token is made once the change is wanted, and the change is shown without it.
    const token = isKept ? yield* ensureToken(root) : options.token;
    const changes = yield* Effect.forEach(shown, (change) => withToken(change, { ...options, token }));
    if (isKept) yield* HookFiles.putScript(root);
    const copies = isMade ? yield* made(root, changes) : [];
    if (input.json)
      return yield* Output.json({
        agents: all.map((change) => {
          const at = shown.indexOf(change);
          return told(changes[at] ?? change, isMade && at >= 0, at < 0 ? undefined : copies[at]);
        }),
      });
    for (const { file, hooks } of all.filter((change) => !isChange(change)))
      yield* Output.note(`${hooks.name}: installed already, ${file}`);
    if (!isMade) return undefined;
    for (const copy of copies) if (copy !== undefined) yield* Output.note(`What was there before: ${copy}`);
    for (const { hooks } of changes) if (hooks.note !== undefined) yield* Output.note(hooks.note);
    yield* Output.note("Hooks reach the store while it runs: recollect up, or recollect service install.");
    return undefined;
  }),
).pipe(
  Command.withDescription(
    "Let agents tell the store what they do; shows the change first, and once more changes nothing",
  ),
  Command.withExamples([
    {
      command: "recollect hooks install --dry-run",
      description: "What would be changed, for the agents of this machine",
    },
    { command: "recollect hooks install claude-code --brief", description: "With a brief at each session's start" },
  ]),
);

const remove = Command.make(
  "remove",
  { agents, yes, dryRun, json },
  Effect.fn("cli.hooks.remove")(function* (input) {
    const root = yield* rootOf;
    const plans = input.agents.length === 0 ? agentHooks : yield* chosen(input.agents);
    const all = yield* Effect.forEach(plans, (hooks) =>
      Effect.gen(function* () {
        const isOurs = !(yield* HookFiles.hasBackup(root, hooks.agent));
        return yield* changeOf(hooks, (text) => (text === undefined ? undefined : uninstalled(hooks, text, isOurs)));
      }),
    );
    const changes = all.filter(isChange);
    const isMade = changes.length > 0 && (yield* wanted(changes, input));
    const copies = isMade ? yield* made(root, changes) : [];
    if (isMade && !(yield* isAnywhere(root))) yield* dropToken(root);
    if (input.json)
      return yield* Output.json({ agents: changes.map((change, at) => told(change, isMade, copies[at])) });
    if (changes.length === 0) return yield* Output.note("There is none of our hooks.");
    for (const copy of copies) if (copy !== undefined) yield* Output.note(`What was there before: ${copy}`);
    return undefined;
  }),
).pipe(
  Command.withDescription("Take our hooks out again, and nothing else; shows the change first"),
  Command.withExamples([{ command: "recollect hooks remove --yes", description: "Of every agent" }]),
);

const stateOf = Effect.fnUntraced(function* (hooks: AgentHooks, url: string) {
  const { file, folder } = yield* HookFiles.placeOf(hooks);
  const text = yield* HookFiles.readFile(file);
  const counted = yield* Effect.result(Effect.try(() => countOf(hooks, text)));
  const count = Result.isSuccess(counted) ? counted.success : 0;
  const isThere = yield* HookFiles.isThere(folder);
  // Those that speak HTTP have the address in them.
  const address = /http:\/\/127\.0\.0\.1:\d+(?=\/hooks\/)/.exec(text ?? "")?.[0];
  const isElsewhere = count > 0 && address !== undefined && address !== url;
  const state = Result.isFailure(counted)
    ? "unreadable"
    : count === 0
      ? "none"
      : isElsewhere
        ? "elsewhere"
        : "installed";
  return {
    agent: hooks.agent,
    name: hooks.name,
    isThere,
    file,
    hooks: count,
    state,
    ...(isElsewhere ? { address } : {}),
  };
});

const isAnywhere = Effect.fnUntraced(function* (root: string) {
  const url = yield* urlOf(root);
  const states = yield* Effect.forEach(agentHooks, (hooks) => stateOf(hooks, url));
  return states.some(({ hooks }) => hooks > 0);
});

const lookMillis = 500;

/** True when the door answers now. */
const isOpen = (url: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const asked = get(`${url}/healthz`, { timeout: lookMillis }, (response) => {
      response.resume();
      resume(Effect.succeed(response.statusCode === 200));
    });
    asked.once("timeout", () => asked.destroy());
    asked.once("error", () => resume(Effect.succeed(false)));
  });

const status = Command.make(
  "status",
  { agents, json },
  Effect.fn("cli.hooks.status")(function* (input) {
    const root = yield* rootOf;
    const url = yield* urlOf(root);
    const plans = input.agents.length === 0 ? agentHooks : yield* chosen(input.agents);
    const states = yield* Effect.forEach(plans, (hooks) => stateOf(hooks, url));
    const isServed = yield* isOpen(url);
    const hasToken = (yield* heldToken(root)) !== undefined;
    if (input.json) return yield* Output.json({ url, served: isServed, token: hasToken, agents: states });
    const rows = states.map(({ file, hooks, isThere, name, state }) => [
      name,
      isThere ? state : "not here",
      hooks === 0 ? "" : Output.count(hooks),
      file,
    ]);
    for (const row of Output.table(["agent", "hooks are", "events", "file"], rows)) yield* Output.line(row);
    if (!isServed) yield* Output.note(`\nNothing answers at ${url}: hooks are recorded while recollect up runs.`);
    if (states.some(({ state }) => state === "elsewhere"))
      yield* Output.note(`\nThe store is at ${url} now: recollect hooks install puts that in.`);
    if (!hasToken && states.some(({ hooks }) => hooks > 0))
      yield* Output.note("\nThe token of the hooks is gone or revoked: recollect hooks install makes another one.");
    return undefined;
  }),
).pipe(
  Command.withDescription("Which agents tell the store what they do, and whether it hears them"),
  Command.withExamples([{ command: "recollect hooks status", description: "Every agent whose hooks are known" }]),
);

export const hooksCommand = Command.make("hooks").pipe(
  Command.withDescription("Let agents tell the store what they do, by their own hooks: install, remove, status"),
  Command.withSubcommands([install, remove, status]),
  Command.withExamples([
    { command: "recollect hooks install --dry-run", description: "Show the change, make none" },
    { command: "recollect hooks status", description: "What is installed, and whether the store hears it" },
  ]),
);
