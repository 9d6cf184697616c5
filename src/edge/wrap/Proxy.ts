/**
 * The proxy: a stdio server's process, with every byte between it and its client passed on unchanged.
 *
 * Room: edge.
 *
 * Plain Node and nothing else, because this file is on the way of every call and of the server's start: the server
 * runs some milliseconds after we do. Back-pressure is the streams' own: a side that does not read stops the side that
 * writes.
 *
 * Decision: the tap is told of a chunk before it is passed on, because no client may see an answer that a killed wrapper has
 * not on disk. A write to the journal takes 0.02 ms.
 */
import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type Ask, stand } from "./Gate.ts";
import type { Ended } from "./Messages.ts";
import type { Direction } from "./Traffic.ts";

/** Told of what passes. Must return at once and never throw. */
export interface Tap {
  readonly passed: (direction: Direction, chunk: Uint8Array) => void;
}

/** Environment of the server, without our own variables: addresses, and with them credentials. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("RECOLLECT_")));

/** As a shell says it. */
const notFoundCode = 127;
const notExecutableCode = 126;
/** After the process has ended, a child of it may still hold its output: this long without a byte is the end. */
const silenceMillis = 1_000;

const passedOn: ReadonlyArray<NodeJS.Signals> = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR2",
  "SIGCONT",
  "SIGWINCH",
];

const pump = (options: {
  readonly from: Readable;
  readonly to: Writable;
  readonly passed: (chunk: Buffer) => void;
}): void => {
  const { from, to, passed } = options;
  from.on("data", (chunk: Buffer) => {
    passed(chunk);
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", () => from.resume());
  // A reader that went away is told to the writer the way the system does it: its pipe is closed.
  to.on("error", () => from.destroy());
  from.on("error", () => to.end());
};

/** Signals for us are for the server. Ctrl-C at a terminal has reached it already: it is in our process group. */
const passSignals = (child: ChildProcess): (() => void) => {
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = passedOn.map((signal) => {
    const fromTerminal = atTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    const handle = () => void (fromTerminal || child.kill(signal));
    process.on(signal, handle);
    return () => process.off(signal, handle);
  });
  return () => handlers.forEach((remove) => remove());
};

/** Returns when all that was written to our client has left us, or the client is gone. */
const flushed = (to: Writable): Promise<void> =>
  new Promise((resolve) => {
    if (to.destroyed || to.errored !== null) resolve();
    else {
      to.once("error", () => resolve());
      to.once("close", () => resolve());
      to.write("", () => resolve());
    }
  });

/** Returns when the process has ended and its output is complete. */
const outputEnded = (child: ChildProcess): Promise<Ended> =>
  new Promise((resolve) => {
    let silence: NodeJS.Timeout | undefined;
    child.on("exit", (code, signal) => {
      const wait = () => {
        clearTimeout(silence);
        silence = setTimeout(() => {
          child.stdout?.destroy();
          resolve({ code, signal });
        }, silenceMillis);
      };
      child.stdout?.on("data", wait);
      wait();
    });
    child.on("close", (code, signal) => {
      clearTimeout(silence);
      resolve({ code, signal });
    });
  });

export interface Running {
  /** False: the program could not be started. */
  readonly hasBegun: boolean;
  /** Resolves when the server has ended and all it wrote has been passed on. Never rejects. */
  readonly ended: Promise<Ended>;
  /** From here on signals end us and no longer the server. */
  readonly letGo: () => void;
}

interface Between {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly passed: Tap["passed"];
}

/** Every byte as it comes, both ways. */
const pass = ({ child, passed }: Between): void => {
  pump({ from: process.stdin, to: child.stdin, passed: (chunk) => passed("toServer", chunk) });
  process.stdin.on("end", () => child.stdin.end());
  process.stdin.on("close", () => child.stdin.end());
  pump({ from: child.stdout, to: process.stdout, passed: (chunk) => passed("toClient", chunk) });
};

/**
 * Starts the server between our standard input and output. Its standard error is ours. With `ask` there is a gate, and what
 * it is asked about may be answered in the server's place.
 */
export const start = (command: ReadonlyArray<string>, tap: Tap, ask?: Ask, name = "recollect wrap"): Running => {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"], env: environment() });
  // From here on, what the recorder writes is for this user alone. The server has the mask that we were given.
  process.umask(0o077);
  const letGo = passSignals(child);
  const notStarted = new Promise<Ended>((resolve) => {
    child.on("error", (error: NodeJS.ErrnoException) => {
      // Also emitted for a signal that could not be sent, which ends nothing.
      if (child.pid !== undefined) return;
      const isMissing = error.code === "ENOENT";
      process.stderr.write(`${name}: ${program} ${isMissing ? "was not found" : `cannot be run (${error.code})`}\n`);
      resolve({ code: isMissing ? notFoundCode : notExecutableCode, signal: null });
    });
  });
  child.stdin.on("close", () => process.stdin.destroy());
  const { passed } = tap;
  if (ask === undefined) pass({ child, passed });
  else {
    const server = { from: child.stdout, to: child.stdin };
    stand({ client: { from: process.stdin, to: process.stdout }, server, passed, ask });
  }
  const ended = Promise.race([notStarted, outputEnded(child)]).then(async (how) => {
    process.stdin.destroy();
    await flushed(process.stdout);
    return how;
  });
  return { hasBegun: child.pid !== undefined, ended, letGo };
};

/** Ends this process the way the server ended. */
export const endLike = ({ code, signal }: Ended): never => {
  if (signal !== null) process.kill(process.pid, signal);
  // Reached when the signal does not end a process (or for the moment until it does): what a shell would say of it.
  process.exit(code ?? 128 + signalNumber(signal));
};

/** A process ended by a signal has no exit code; as a shell counts it, it has this one. */
export const exitCodeOf = ({ code, signal }: Ended): number => code ?? 128 + signalNumber(signal);

const numbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

const signalNumber = (signal: NodeJS.Signals | null): number => (signal === null ? 0 : (numbers[signal] ?? 0));
