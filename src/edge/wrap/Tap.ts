/**
 * The tap: copies of what passes, handed to a recorder in another thread. Never in the way, whatever the recorder does.
 *
 * Room: edge.
 *
 * Decision: another thread, because recording parses JSON, talks to NATS and waits for fsync, and a call must wait for
 * none of these. Before it, every chunk goes into the journal on this disk: what the recorder has not dealt with when the
 * session ends, or when it is too slow for the traffic, is recorded from there by another process.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import { cacheToolsOf, callIn } from "./CallLine.ts";
import type { Looking, Refusal } from "./InPlace.ts";
import { dataFolder, Journal } from "./Journal.ts";
import type { Ended, FromRecorder, RecorderOptions, ToRecorder } from "./Messages.ts";
import type { Direction, Moment } from "./Traffic.ts";

/** A recorder works through about 50 MB/s, so this is more than a second of the fastest traffic. */
const maxOutstandingBytes = 64 * 1024 * 1024;

/** Report to the user at the end; `isLost`: some of it is nowhere. Undefined when there is nothing to say. */
export type Report = { readonly words: string; readonly isLost: boolean } | undefined;

const told = (words: ReadonlyArray<string>, isLost = false): Report =>
  words.length === 0 ? undefined : { words: words.join("; "), isLost };

const now = (): Moment => ({ epochMillis: Date.now(), monotonicMillis: performance.now() });

/** The same folder holds the recorder, as TypeScript in a checkout and as JavaScript in a package. */
const beside = (name: string) =>
  new URL(`./${name}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

/**
 * Patience for a decision; a call without one in this time is made: more than the recorder needs to start, and than limits need to
 * find that NATS does not answer and to go by their own policy.
 */
const decideMillis = 10_000;

const eventsWere = (count: number): string => (count === 1 ? "1 event was" : `${count} events were`);

/** A recorder that is not done so long after the end of its session gets help. */
const leaveMillis = 1_500;

export class Tap {
  readonly #worker: Worker;
  readonly #journal: Journal;
  readonly #root: string;
  #outstandingBytes = 0;
  #toldBytes = 0;
  #droppedBytes = 0;
  #isDone = false;
  #isLeft = false;
  #isBroken: string | undefined;
  readonly #asked = new Map<number, (refusal: Refusal | undefined) => void>();
  #questions = 0;
  #problems: ReadonlyArray<string> = [];
  readonly #named: ReadonlyArray<string>;
  /** Tools whose answers may be given again. */
  #tools: ReadonlySet<string>;
  readonly #done: Promise<number>;
  readonly #findMillis: number;
  readonly #finding = new Map<number, (result: string | null) => void>();
  #finds = 0;

  /** `findMillis`: an answer that is not found in this time is asked of the server. */
  constructor(options: Omit<RecorderOptions, "started" | "sessionId" | "ownThreadId">, findMillis: number) {
    this.#findMillis = findMillis;
    const all = { ...options, sessionId: randomUUID(), ownThreadId: randomUUID(), started: now() };
    this.#root = dataFolder(options.data);
    this.#journal = new Journal(this.#root, all);
    this.#named = [...(cacheToolsOf(options.cacheTools)?.keys() ?? [])];
    this.#tools = new Set(this.#named);
    // The recorder must not write between the server and its client: its own output goes nowhere.
    this.#worker = new Worker(beside("Recorder"), {
      workerData: all,
      stdout: true,
      stderr: true,
      // Decision: with V8's own limit the recorder of 200 calls has 54 MB of its own in place of 45 to 50.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
    this.#done = new Promise((resolve) => {
      this.#worker.on("message", (message: FromRecorder) => {
        if (message._tag === "Done") {
          this.#isDone = true;
          this.#problems = message.problems;
          resolve(message.lost);
        } else if (message._tag === "Found") this.#finding.get(message.find)?.(message.result);
        else if (message._tag === "Decided") this.#asked.get(message.number)?.(message.refusal);
        else if (message._tag === "Settled") {
          if (message.bytes === this.#toldBytes && this.#droppedBytes === 0) this.#journal.settled(message.state);
        } else if (message._tag === "Warned")
          process.stderr.write(`recollect ${options.protocol === "acp" ? "acp" : "wrap"}: ${message.text}\n`);
        else if (message._tag === "Tools") this.#tools = new Set([...this.#named, ...message.tools]);
        else this.#outstandingBytes -= message.bytes;
      });
      const broke = (why: string) => {
        // Having said that all is done, it ends: before or after we have listened.
        if (!this.#isDone) this.#isBroken ??= why;
        resolve(0);
        for (const decided of this.#asked.values()) decided(undefined);
      };
      this.#worker.on("error", (error) => broke(error instanceof Error ? error.message : String(error)));
      this.#worker.on("exit", () => broke("it ended by itself"));
    });
  }

  passed(direction: Direction, chunk: Uint8Array): void {
    const at = now();
    this.#journal.passed(direction, chunk, at);
    if (this.#isBroken !== undefined) return;
    // Once it could not keep up the recorder is told no more: a part of the traffic would be another conversation.
    if (this.#droppedBytes > 0 || this.#outstandingBytes + chunk.byteLength > maxOutstandingBytes) {
      this.#droppedBytes += chunk.byteLength;
      return;
    }
    // A copy of exactly these bytes: the chunk itself is still on its way, and may be part of a larger buffer.
    const bytes = new Uint8Array(chunk);
    this.#outstandingBytes += bytes.byteLength;
    this.#toldBytes += bytes.byteLength;
    this.#tell({ _tag: "Chunk", direction, bytes, at }, [bytes.buffer]);
  }

  /** Asks the recorder for an earlier answer, if the line calls a tool whose answers may be given again. */
  find(line: Buffer): Looking | undefined {
    const call = this.#isBroken === undefined ? callIn(line, this.#tools) : undefined;
    if (call === undefined) return undefined;
    const find = this.#finds++;
    const { promise, resolve } = Promise.withResolvers<string | null>();
    const timer = setTimeout(() => resolve(null), this.#findMillis);
    this.#finding.set(find, resolve);
    this.#tell({ _tag: "Find", find, ...call });
    const answer = promise.then((result) => {
      clearTimeout(timer);
      this.#finding.delete(find);
      return result === null ? undefined : `{"jsonrpc":"2.0","id":${call.request},"result":${result}}`;
    });
    return { answer, went: (how) => this.#tell({ _tag: "Went", find, how }) };
  }

  /** Reason that this tool may not be called now; undefined when it may, or when that is unknown. */
  decide(tool: string): Promise<Refusal | undefined> {
    if (this.#isBroken !== undefined || this.#isDone) return Promise.resolve(undefined);
    const number = this.#questions++;
    return new Promise((resolve) => {
      const decided = (refusal: Refusal | undefined) => {
        clearTimeout(timer);
        this.#asked.delete(number);
        resolve(refusal);
      };
      const timer = setTimeout(() => decided(undefined), decideMillis);
      this.#asked.set(number, decided);
      this.#tell({ _tag: "Ask", number, tool });
    });
  }

  /**
   * The server has ended: returns when all is in the log or the spool, or when `millis` are over. The rest is in
   * the journal, on disk, and is recorded from there by a process of its own.
   */
  async end(ended: Ended, millis: number): Promise<Report> {
    const at = now();
    this.#journal.ended(ended, at);
    if (this.#droppedBytes === 0) this.#tell({ _tag: "Ended", ended, at });
    const timeout = Promise.withResolvers<"late">();
    const timer = setTimeout(() => timeout.resolve("late"), millis);
    // The process that waits for us may kill us before that: another is at it then already.
    const leaving = setTimeout(() => this.#leave(), Math.min(leaveMillis, millis));
    const mayEnd = this.#isBroken === undefined && this.#droppedBytes === 0;
    const lost = mayEnd ? await Promise.race([this.#done, timeout.promise]) : "late";
    clearTimeout(timer);
    if (lost === 0) clearTimeout(leaving);
    const broken = this.#isBroken;
    await this.#worker.terminate();
    if (lost === 0 && broken === undefined) {
      this.#journal.remove();
      return told(this.#problems);
    }
    clearTimeout(leaving);
    const unwritten = this.#journal.problem;
    this.#journal.close();
    if (unwritten === undefined) {
      this.#leave();
      if (lost === "late") return told(this.#problems);
      return told([
        ...this.#problems,
        `${eventsWere(lost)} not accepted yet and ${lost === 1 ? "waits" : "wait"} in ${this.#journal.path}`,
      ]);
    }
    const why = broken === undefined ? `it did not finish within ${millis} ms` : broken;
    const what =
      typeof lost === "number" && lost > 0 ? `${eventsWere(lost)} not accepted` : `recording stopped: ${why}`;
    return told([...this.#problems, what, `the journal could not be written: ${unwritten}`], true);
  }

  /** Another process records what is left, after us; the daemon and the next recorder would too. */
  #leave(): void {
    if (this.#isLeft || this.#journal.problem !== undefined) return;
    this.#isLeft = true;
    try {
      const words = [...process.execArgv, beside("ReplayProcess").pathname, this.#root];
      spawn(process.execPath, words, { detached: true, stdio: "ignore", cwd: "/" }).unref();
    } catch {
      // The next process does it.
    }
  }

  #tell(message: ToRecorder, transfer: Array<ArrayBuffer> = []): void {
    try {
      this.#worker.postMessage(message, transfer);
    } catch (cause) {
      this.#isBroken ??= cause instanceof Error ? cause.message : String(cause);
    }
  }
}
