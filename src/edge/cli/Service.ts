/**
 * `recollect service`: the daemon as a service of this user, under systemd.
 *
 * Room: edge.
 */
import { Effect, Schema } from "effect";
import { Command, Flag } from "effect/cli";
import { realpathSync } from "node:fs";
import * as Unit from "../../machine/SystemdUnit.ts";
import { Attach } from "./Attach.ts";
import { NotFound } from "./Failure.ts";
import { json, where } from "./Flags.ts";
import * as Output from "./Output.ts";

/** No service manager of this user was found. */
class NoSystemd extends Schema.TaggedError<NoSystemd>()("NoSystemd", {
  message: Schema.String,
  hint: Schema.String,
}) {}

const noSystemctl = new NoSystemd({
  message: "systemd is not here: there is no systemctl. Nothing was changed.",
  hint: "Let what starts programs on this machine run `recollect up`; it ends with SIGTERM and exit code 0.",
});

const notReached = (text: string) =>
  new NoSystemd({
    message: `systemd of this user cannot be reached: ${Output.clip(text, 300)}. Nothing was changed.`,
    hint: "Run this in a session of this user; over a login without one, loginctl enable-linger begins one.",
  });

const notStopped = (text: string) =>
  new NoSystemd({
    message: `The service cannot be stopped: ${Output.clip(text, 300)}. Nothing was changed.`,
    hint: "Run this in a session of this user, or first: systemctl --user stop recollect.service",
  });

const notDone = (words: ReadonlyArray<string>, text: string) =>
  new NoSystemd({
    message: `The unit file is in its place, but systemctl --user ${words.join(" ")} failed: ${Output.clip(text, 300)}`,
    hint: "In a session of this user: systemctl --user enable --now recollect.service",
  });

/** This program, as it can be run without the folder and the PATH of now. */
const thisProgram = (): ReadonlyArray<string> => [process.execPath, realpathSync(process.argv[1] ?? "")];

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDefault(false),
  Flag.withDescription("Only show what would be written, and where"),
);

/** Runs `systemctl --user` and says what stood in its way. */
const ask = Effect.fnUntraced(function* (words: ReadonlyArray<string>) {
  const answer = yield* Unit.systemctl(words);
  if (answer === undefined) return yield* noSystemctl;
  return answer.code === 0 ? answer : yield* notDone(words, answer.text);
});

/** Systemd's answer of one word, such as `active` or `disabled`; it says it with exit codes of its own. */
const stateOf = (verb: "is-active" | "is-enabled") =>
  Effect.map(Unit.systemctl([verb, Unit.unitName]), (answer) => {
    const word = answer?.text.split("\n")[0]?.trim() ?? "";
    return /^[a-z-]+$/.test(word) ? word : "unknown";
  });

const install = Command.make(
  "install",
  { dryRun, json },
  Effect.fn("cli.service.install")(function* (input) {
    const attach = yield* Attach;
    const { root } = yield* attach.folder(yield* where);
    const file = yield* Unit.unitFile;
    const text = Unit.unitText({ command: thisProgram(), data: root });
    const isThere = (yield* Unit.read(file)) === text;
    if (input.dryRun) {
      if (input.json) return yield* Output.json({ file, changed: !isThere, executed: false, unit: text });
      yield* Output.note(isThere ? `${file} is so already:` : `${file} would be:`);
      return yield* Output.line(text.trimEnd());
    }
    // Asked before anything is written: a unit that nobody reads helps nobody.
    if ((yield* Unit.systemctl(["--version"])) === undefined) return yield* noSystemctl;
    // Systemd of this user answers, or nothing is changed.
    const bus = yield* Unit.systemctl(["show-environment"]);
    if (bus?.code !== 0) return yield* notReached(bus?.text ?? "no answer");
    if (!isThere) yield* Unit.write(file, text);
    yield* ask(["daemon-reload"]);
    yield* ask(["enable", Unit.unitName]);
    // A unit that changed is begun anew; one that runs as it is written is left alone.
    yield* ask([isThere ? "start" : "restart", Unit.unitName]);
    const active = yield* stateOf("is-active");
    if (input.json) return yield* Output.json({ file, changed: !isThere, executed: true, active });
    yield* Output.line(`${file} ${isThere ? "was so already" : "is written"}; the service is ${active}.`);
    yield* Output.note("Its log: journalctl --user -u recollect");
    yield* Output.note("Without a session of this user it runs only after: loginctl enable-linger");
  }),
).pipe(
  Command.withDescription(
    "Write the unit file of systemd, and start it now and at each login; once more changes nothing",
  ),
  Command.withExamples([
    { command: "recollect service install --dry-run", description: "What would be written, and where" },
    { command: "recollect service install --data ./memory", description: "For this data folder" },
  ]),
);

const status = Command.make(
  "status",
  { json },
  Effect.fn("cli.service.status")(function* (input) {
    const file = yield* Unit.unitFile;
    const isInstalled = (yield* Unit.read(file)) !== undefined;
    const hasSystemd = (yield* Unit.systemctl(["--version"])) !== undefined;
    const enabled = hasSystemd ? yield* stateOf("is-enabled") : "unknown";
    const active = hasSystemd ? yield* stateOf("is-active") : "unknown";
    if (input.json) yield* Output.json({ file, installed: isInstalled, systemd: hasSystemd, enabled, active });
    else {
      yield* Output.line(`unit       ${isInstalled ? file : "none"}`);
      yield* Output.line(`systemd    ${hasSystemd ? `${enabled}, ${active}` : "is not here: there is no systemctl"}`);
    }
    if (isInstalled) return;
    return yield* new NotFound({
      message: "No service is installed for this user.",
      hint: "recollect service install --dry-run shows what it would be.",
    });
  }),
).pipe(
  Command.withDescription("Whether it is installed, enabled and running"),
  Command.withExamples([{ command: "recollect service status", description: "With the unit file and where it lies" }]),
);

const remove = Command.make(
  "remove",
  { dryRun, json },
  Effect.fn("cli.service.remove")(function* (input) {
    const file = yield* Unit.unitFile;
    const isThere = (yield* Unit.read(file)) !== undefined;
    if (input.dryRun) {
      if (input.json) return yield* Output.json({ file, removed: false, installed: isThere, executed: false });
      return yield* Output.line(isThere ? `${file} would be removed, and the service stopped.` : "Nothing is there.");
    }
    if (isThere) {
      const stopped = yield* Unit.systemctl(["disable", "--now", Unit.unitName]);
      // Without systemctl nothing runs. Where systemd cannot be reached the service may run all the same.
      if (stopped !== undefined && stopped.code !== 0) return yield* notStopped(stopped.text);
      yield* Unit.remove(file);
      yield* Unit.systemctl(["daemon-reload"]);
    }
    if (input.json) return yield* Output.json({ file, removed: isThere, executed: true });
    yield* Output.line(isThere ? `${file} is removed, and the service stopped.` : "Nothing was there.");
    yield* Output.note("The data folder is as it was.");
  }),
).pipe(
  Command.withDescription("Stop it and remove the unit file; the data stays"),
  Command.withExamples([{ command: "recollect service remove", description: "Nothing runs at the next login" }]),
);

export const service = Command.make("service").pipe(
  Command.withDescription("Run the store as a service of this user under systemd: install, status, remove"),
  Command.withSubcommands([install, status, remove]),
  Command.withExamples([
    { command: "recollect service install --dry-run", description: "Show the unit file, write nothing" },
    { command: "recollect service install", description: "Write it, start it, and start it at each login" },
    { command: "recollect service status", description: "Whether it runs" },
  ]),
);
