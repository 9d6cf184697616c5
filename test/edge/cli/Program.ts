/** The command line on a data folder of the test's own: commands in this process, and programs spoken to by signals. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, pidIn } from "../../../src/machine/Processes.ts";
import { command } from "../../support/command.ts";
import { program as main } from "../../support/program.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that runs. `out` and `err` are what it has said so far. */
export class Running {
  out = "";
  err = "";
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    this.ended = new Promise((resolve) =>
      child.once("close", (code) => resolve({ code, out: this.out, err: this.err })),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Returns when it has said this on its standard output; a program that ends before is an error that says why. */
  async says(text: string): Promise<this> {
    let isOver: Ended | undefined;
    void this.ended.then((ended) => (isOver = ended));
    await until(() => this.out.includes(text) || isOver !== undefined);
    if (!this.out.includes(text)) throw new Error(`it ended with ${isOver?.code} and never said ${text}: ${this.err}`);
    return this;
  }

  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals = "SIGINT"): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** A program starts in half a second, and in ten beside nine others on every core. */
const patienceMillis = 120_000;

/** Looks every 10 ms, and says what it waited for when it never comes: sooner than the test's own limit, which does not. */
export const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > patienceMillis) throw new Error(`this never held: ${isSo.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** A temporary folder with a data folder in it; `[Symbol.dispose]` ends what still runs and removes it. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "recollect-cli-"));
  readonly data = join(this.folder, "data");
  private readonly started: Array<Running> = [];

  start(words: ReadonlyArray<string>, environment: Environment = {}): Running {
    const env = { ...process.env, RECOLLECT_DATA: this.data, ...environment };
    const running = new Running(spawn(process.execPath, [main, ...words], { env, stdio: ["ignore", "pipe", "pipe"] }));
    this.started.push(running);
    return running;
  }

  /** A daemon of this folder that is ready. */
  up(): Promise<Running> {
    return this.start(["up", "--json"]).says('"ready":true');
  }

  /** In this process. A command that runs beside others, or is ended by signals, is started. */
  run(words: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return command(words, { RECOLLECT_DATA: this.data, ...environment });
  }

  /** A command line of a shell, in which `recollect` is the program. */
  shell(line: string): Promise<Ended> {
    const text = `recollect() { '${process.execPath}' '${main}' "$@"; }; ${line}`;
    const env = { ...process.env, RECOLLECT_DATA: this.data };
    const running = new Running(spawn("bash", ["-c", text], { env, stdio: ["ignore", "pipe", "pipe"] }));
    this.started.push(running);
    return running.ended;
  }

  /** What `--json` prints; the caller says which shape it looks at. */
  async json<Answer>(words: ReadonlyArray<string>): Promise<Answer> {
    const { code, err, out } = await this.run([...words, "--json"]);
    if (code !== 0) throw new Error(`${words.join(" ")} ended with ${code}: ${err}`);
    return JSON.parse(out);
  }

  /** The address that an instance has left in the data folder. */
  instance():
    | { readonly pid: number; readonly nats: string; readonly http?: string; readonly role: string }
    | undefined {
    const file = join(this.data, "instance.json");
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
  }

  natsIsRunning(): boolean {
    const pid = pidIn(join(this.data, "nats", "nats-server.pid"));
    return pid !== undefined && isAlive(pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.started) await running.end("SIGKILL");
    await until(() => !this.natsIsRunning());
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Lines of a Claude Code session, one for each text. */
export const session = (id: string, texts: ReadonlyArray<string>, from = 0): string =>
  texts
    .map((text, index) => {
      const number = from + index;
      const timestamp = new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString();
      const message = { role: "user", content: text };
      return `${JSON.stringify({ type: "user", uuid: `${id}-${number}`, parentUuid: null, sessionId: id, timestamp, cwd: "/x", message })}\n`;
    })
    .join("");
