/**
 * The tap: copies of what passes, handed to a recorder in another thread. Never in the way, whatever the recorder does.
 *
 * Room: edge.
 *
 * Decision: another thread, because recording parses JSON, talks to NATS and waits for fsync, and a call must wait for
 * none of these. What the recorder has not dealt with is bounded; beyond that chunks are dropped and counted, because
 * a call that waits would be worse than a call that is not recorded.
 */
import { Worker } from "node:worker_threads";
import { cacheToolsOf, callIn } from "./CallLine.ts";
import type { Looking, Refusal } from "./InPlace.ts";
import type { Ended, FromRecorder, RecorderOptions, ToRecorder } from "./Messages.ts";
import type { Direction, Moment } from "./Traffic.ts";

/** A recorder works through about 50 MB/s, so this is more than a second of the fastest traffic. */
const maxOutstandingBytes = 64 * 1024 * 1024;

/** What the user should know at the end; undefined when there is nothing. */
export type Report = string | undefined;

const now = (): Moment => ({ epochMillis: Date.now(), monotonicMillis: performance.now() });

/** The same folder holds the recorder, as TypeScript in a checkout and as JavaScript in a package. */
const recorder = new URL(import.meta.url.endsWith(".ts") ? "./Recorder.ts" : "./Recorder.js", import.meta.url);

/**
 * A call that nobody decides about in this time is made: more than the recorder needs to start, and than limits need to
 * find that NATS does not answer and to go by their own policy.
 */
const decideMillis = 10_000;

export class Tap {
  readonly #worker: Worker;
  #outstandingBytes = 0;
  #droppedBytes = 0;
  #isDone = false;
  #isBroken: string | undefined;
  readonly #torn = new Set<Direction>();
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
  constructor(options: Omit<RecorderOptions, "started">, findMillis: number) {
    this.#findMillis = findMillis;
    this.#named = [...(cacheToolsOf(options.cacheTools)?.keys() ?? [])];
    this.#tools = new Set(this.#named);
    // The recorder must not write between the server and its client: its own output goes nowhere.
    this.#worker = new Worker(recorder, { workerData: { ...options, started: now() }, stdout: true, stderr: true });
    this.#done = new Promise((resolve) => {
      this.#worker.on("message", (message: FromRecorder) => {
        if (message._tag === "Done") {
          this.#isDone = true;
          this.#problems = message.problems;
          resolve(message.lost);
        } else if (message._tag === "Found") this.#finding.get(message.find)?.(message.result);
        else if (message._tag === "Decided") this.#asked.get(message.number)?.(message.refusal);
        else if (message._tag === "Warned") process.stderr.write(`recollect wrap: ${message.text}\n`);
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
    if (this.#isBroken !== undefined) return;
    const isFull = this.#outstandingBytes + chunk.byteLength > maxOutstandingBytes;
    if (isFull) {
      this.#droppedBytes += chunk.byteLength;
      this.#torn.add(direction);
      return;
    }
    if (this.#torn.delete(direction)) this.#tell({ _tag: "Gap", direction });
    // A copy of exactly these bytes: the chunk itself is still on its way, and may be part of a larger buffer.
    const bytes = new Uint8Array(chunk);
    this.#outstandingBytes += bytes.byteLength;
    this.#tell({ _tag: "Chunk", direction, bytes, at: now() }, [bytes.buffer]);
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

  /** Why this tool may not be called now; undefined when it may, or when nobody can say. */
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

  /** The server has ended: returns when all is durable, or when `millis` are over. */
  async end(ended: Ended, millis: number): Promise<Report> {
    this.#tell({ _tag: "Ended", ended, at: now() });
    const timeout = Promise.withResolvers<"late">();
    const timer = setTimeout(() => timeout.resolve("late"), millis);
    const lost = this.#isBroken === undefined ? await Promise.race([this.#done, timeout.promise]) : 0;
    clearTimeout(timer);
    const broken = this.#isBroken;
    await this.#worker.terminate();
    if (broken !== undefined) return `recording stopped: ${broken}`;
    if (lost === "late") return `recording did not finish within ${millis} ms`;
    const problems = [
      ...this.#problems,
      ...(lost > 0 ? [`${lost} events were not accepted`] : []),
      ...(this.#droppedBytes > 0 ? [`${this.#droppedBytes} bytes passed faster than they could be recorded`] : []),
    ];
    return problems.length === 0 ? undefined : problems.join("; ");
  }

  #tell(message: ToRecorder, transfer: Array<ArrayBuffer> = []): void {
    try {
      this.#worker.postMessage(message, transfer);
    } catch (cause) {
      this.#isBroken ??= cause instanceof Error ? cause.message : String(cause);
    }
  }
}
