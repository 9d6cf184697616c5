/**
 * One fault: planted, noticed, mended and judged, by the product's own commands.
 *
 * In order: the fault is planted; `recollect up` starts; a program reads every thread; `status` and `spool list`, then with
 * the daemon ended `verify` say what they notice; `heal --execute` mends, and `rebuild` where `verify` still names
 * something; `verify` is green, and the ledger has every event that any copy still had.
 */
import { Effect } from "effect";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as FreePort from "../../../src/machine/nats/FreePort.ts";
import { dice } from "../Dice.ts";
import { natsPidOf } from "./Servers.ts";
import { withApi } from "./Api.ts";
import type { Numbered } from "./Catalogue.ts";
import { type Ended, endServer, pause, underLoad } from "./Command.ts";
import type { Place } from "./Fault.ts";
import { type Answers, command, read, type Store, type Stores, up } from "./Stores.ts";
import * as Truth from "./Truth.ts";

export interface Verdict {
  readonly fault: Numbered;
  readonly seed: number;
  /** What was changed, exactly. */
  readonly planted: string;
  /** The first command that noticed, and how long after the start of the daemon, or after the change. */
  readonly noticed: { readonly by: string; readonly millis: number; readonly said: string } | undefined;
  readonly mend: string;
  readonly missing: number;
  readonly reads: { readonly true: number; readonly refused: number; readonly wrong: number };
  readonly problems: ReadonlyArray<string>;
  readonly seconds: number;
}

/** All that one run gathers. */
interface Run {
  readonly fault: Numbered;
  readonly stores: Stores;
  readonly store: Store;
  data: string;
  began: number;
  noticed: Verdict["noticed"];
  planted: string;
  mend: string;
  missing: number;
  /** Nothing is left to be mended or judged, and the product has said so. */
  allGone: boolean;
  readonly reads: { true: number; refused: number; wrong: number };
  readonly problems: Array<string>;
}

const firstWords = (text: string): string => {
  const line = text.split("\n").find((found) => found.trim() !== "") ?? "";
  return line.length > 240 ? `${line.slice(0, 240)}…` : line;
};

const notice = (run: Run, by: string, said: string): void => {
  run.noticed ??= { by, millis: performance.now() - run.began, said: firstWords(said) };
};

/** Runs a command of the product; one that does not end is a problem by itself. */
const perform = async (run: Run, words: ReadonlyArray<string>): Promise<Ended> => {
  const ended = await command(run.stores.home, run.data, words);
  if (ended.isLate) run.problems.push(`${words[0]} did not end within ${Math.round(ended.millis / 1000)} s`);
  return ended;
};

interface Status {
  readonly scrub?: { readonly mended: number };
  readonly conditions: ReadonlyArray<{ readonly name: string; readonly message: string }>;
  readonly spool: { readonly damaged: number; readonly lost: number; readonly setAside: number };
}

const parsed = <A>({ out }: Ended): A | undefined => {
  try {
    return JSON.parse(out) as A;
  } catch {
    return undefined;
  }
};

/** Whether `status` names something. */
const askStatus = async (run: Run): Promise<boolean> => {
  const ended = await perform(run, ["status", "--json"]);
  const status = parsed<Status>(ended);
  const told = status?.conditions.map(({ message, name }) => `${name}: ${message}`).join("; ") ?? "";
  if (ended.code !== 0) notice(run, "status", told === "" ? ended.err : told);
  else if ((status?.scrub?.mended ?? 0) > 0)
    notice(run, "scrubber", `the scrubber has mended it, ${status?.scrub?.mended} time`);
  return ended.code !== 0;
};

const askSpool = async (run: Run): Promise<void> => {
  const ended = await perform(run, ["spool", "list", "--json"]);
  const spool = parsed<Status["spool"]>(ended);
  const amiss = spool === undefined ? 1 : spool.damaged + spool.lost + spool.setAside;
  if (ended.code !== 0 || amiss > 0) {
    notice(
      run,
      "spool list",
      spool === undefined ? ended.err : `damaged ${spool.damaged}, lost ${spool.lost}, set aside ${spool.setAside}`,
    );
  }
};

interface Verified {
  readonly ok: boolean;
  readonly places: ReadonlyArray<{
    readonly kind: string;
    readonly first: number;
    readonly last: number;
    readonly message: string;
  }>;
  readonly tables: ReadonlyArray<{
    readonly name: string;
    readonly differing: ReadonlyArray<unknown>;
    readonly digest: string;
    readonly expected: string;
  }>;
  readonly database: ReadonlyArray<{ readonly what: string; readonly message: string }>;
  readonly condition?: { readonly name: string; readonly message: string };
}

/** What `verify` names, in words; undefined when it found everything equal. */
const findings = (ended: Ended): string | undefined => {
  const verified = parsed<Verified>(ended);
  if (ended.code === 0 && verified?.ok === true) return undefined;
  if (verified === undefined) return firstWords(ended.err);
  const { condition, database, places, tables } = verified;
  return [
    ...places.map(({ first, kind, last, message }) => `${kind} ${first} to ${last}: ${message}`),
    ...database.map(({ message, what }) => `${what}: ${message}`),
    ...tables.filter(({ digest, expected }) => digest !== expected).map(({ name }) => `table ${name} differs`),
    ...(condition === undefined ? [] : [`${condition.name}: ${condition.message}`]),
  ].join("; ");
};

/** Texts that were told and are not what was said: the one thing that must never happen. */
const judgeReads = (run: Run, ended: Ended): void => {
  const answers = parsed<Answers>(ended);
  if (ended.isLate) run.problems.push("a program that reads did not end");
  if (answers === undefined) {
    run.reads.refused++;
    notice(run, "read", ended.err);
    return;
  }
  for (const [thread, before] of Object.entries(run.store.read)) {
    // What waited is judged by the ledger: some of it may have been lost before.
    if (!run.stores.threads.includes(thread)) continue;
    for (const how of ["read", "messages"] as const) {
      const [now, then] = [answers[thread]?.[how], before[how].messages ?? []];
      if (now?.late === true) run.problems.push(`${how} of ${thread} did not end`);
      if (now === undefined || now.error !== undefined || now.late === true || now.isCurrent === false) {
        run.reads.refused++;
        if (now?.error !== undefined) notice(run, how, now.error);
        continue;
      }
      const isTrue = now.messages?.join("\n") === then.join("\n");
      if (isTrue) run.reads.true++;
      else {
        run.reads.wrong++;
        const got = now.none === true ? "nothing" : `${now.messages?.length} messages`;
        run.problems.push(`${how} of ${thread} gave ${got} that are not the ${then.length} that were said`);
      }
    }
  }
};

/** How soon a running daemon has to say that its stream was changed: it looks each ten seconds. */
const noticeMillis = 30_000;

const withDaemon = async (run: Run, place: Place): Promise<void> => {
  const { fault, stores } = run;
  const { nats, running } = await up(stores.home, run.data);
  if (nats === undefined) {
    running.kill("SIGKILL");
    const ended = await running.ended;
    notice(run, "up", ended.err);
    if (ended.code === null) run.problems.push("up was not ready in time and did not end");
    return;
  }
  const ofDaemon = run.data;
  try {
    const plant = fault.whileUp;
    if (plant !== undefined) {
      run.planted = await withApi(run.data, nats, (jsm) => plant(place, jsm));
      run.began = performance.now();
      const isCopied = run.data !== ofDaemon;
      if (isCopied) return;
    }
    if (plant !== undefined && fault.promise === "whole") {
      while (!(await askStatus(run)) && performance.now() - run.began < underLoad(noticeMillis)) await pause(500);
    } else await askStatus(run);
    judgeReads(run, await read(stores.home, run.data, stores.threads));
    if (fault.base === "spooled") await askSpool(run);
  } finally {
    running.kill("SIGTERM");
    const ended = await running.ended;
    if (ended.isLate) run.problems.push("up did not end");
    const warned = ended.err.split("\n").find((line) => / (?:warn|error)(?: [\w ]+)?: /.test(line));
    if (warned !== undefined) notice(run, "log of up", warned);
    await endServer(ofDaemon);
  }
};

const verifyGreen = async (run: Run): Promise<string | undefined> => findings(await perform(run, ["verify", "--json"]));

/** Mends until `verify` is green: nothing, then a heal, then a rebuild. */
const mend = async (run: Run): Promise<void> => {
  let said = await verifyGreen(run);
  if (said !== undefined) notice(run, "verify", said);
  if (said === undefined && !(await askStatus(run))) {
    run.mend = "by itself";
    return;
  }
  // What the sentence of that condition says to do.
  if (run.noticed?.said.includes("streamSettings") === true) {
    const { running } = await up(run.stores.home, run.data);
    running.kill("SIGTERM");
    await running.ended;
    await endServer(run.data);
    run.mend = "up again";
    said = await verifyGreen(run);
    if (said === undefined) return;
  }
  const reason = ["--execute", "--reason", "drill"];
  for (const words of [["heal", ...reason], ["rebuild"]]) {
    const ended = await perform(run, [...words, "--json"]);
    run.mend = run.mend === "" ? (words[0] ?? "") : `${run.mend}, ${words[0]}`;
    if (run.fault.promise === "named" && ended.err.includes("Both copies are gone")) {
      run.allGone = true;
      run.mend = "nothing is left, and heal says so";
      return;
    }
    if (ended.code !== 0) run.mend += ` (${firstWords(ended.err) || `exit code ${ended.code}`})`;
    said = await verifyGreen(run);
    if (said === undefined) return;
  }
  run.problems.push(`verify is not green after ${run.mend}: ${firstWords(said ?? "")}`);
};

const judgeEnd = (run: Run): void => {
  const { fault, problems, store } = run;
  try {
    const { changed, declared, missing } = Truth.compare(store.truth, run.data);
    run.missing = missing.length;
    if (changed.length > 0)
      problems.push(`${changed.length} events are changed or moved: ${changed.slice(0, 3).join(", ")}`);
    if (missing.length > 0 && fault.promise !== "named")
      problems.push(`${missing.length} events are lost: ${missing.slice(0, 3).join(", ")}`);
    const isSaid = fault.base === "spooled" ? run.noticed !== undefined : declared > 0;
    if (missing.length > 0 && fault.promise === "named" && !isSaid)
      problems.push(`${missing.length} events are lost and nothing says so`);
  } catch (error) {
    problems.push(`the ledger cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const mustBeNoticed = fault.promise === "whole" || run.missing > 0;
  if (mustBeNoticed && run.noticed === undefined) problems.push("nothing noticed it");
  else if (mustBeNoticed && run.noticed?.said === "") problems.push(`${run.noticed.by} noticed it and named nothing`);
};

/** The store in use, then everything killed with -9. */
const killed = async (run: Run, place: Place): Promise<void> => {
  const { running } = await up(run.stores.home, run.data);
  await place.run(["status"]);
  const pid = natsPidOf(run.data);
  running.kill("SIGKILL");
  if (pid !== undefined) process.kill(pid, "SIGKILL");
  await running.ended;
  await endServer(run.data);
};

export const judge = async (stores: Stores, fault: Numbered, seed: number): Promise<Verdict> => {
  const began = performance.now();
  const store = await stores.of(fault.base ?? "plain");
  const folder = join(stores.folder, `fault-${fault.number}-${seed}`);
  // Of an earlier run in the same stores, kept because it failed.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const data = join(folder, "data");
  cpSync(store.data, data, { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(data, "port"), `${await Effect.runPromise(FreePort.find("127.0.0.1"))}\n`);
  const run: Run = {
    fault,
    stores,
    store,
    data,
    began,
    noticed: undefined,
    planted: "",
    mend: "",
    missing: 0,
    allGone: false,
    reads: { true: 0, refused: 0, wrong: 0 },
    problems: [],
  };
  const place: Place = {
    data,
    dice: dice(seed, fault.number),
    older: stores.older,
    stranger: stores.stranger,
    fresh: stores.fresh,
    run: (words) => perform(run, words),
    moveTo: (to) => (run.data = to),
  };
  try {
    if (fault.isKilled === true) await killed(run, place);
    if (fault.plant !== undefined) run.planted = await fault.plant(place);
    run.began = performance.now();
    if (fault.base === "spooled") await askSpool(run);
    await withDaemon(run, place);
    await mend(run);
    if (!run.allGone) judgeEnd(run);
  } catch (error) {
    run.problems.push(`the drill itself: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (run.problems.length === 0) rmSync(folder, { recursive: true, force: true });
  const { mend: how, missing, noticed, planted, problems, reads } = run;
  return {
    fault,
    seed,
    planted,
    noticed,
    mend: how,
    missing,
    reads,
    problems,
    seconds: (performance.now() - began) / 1000,
  };
};
