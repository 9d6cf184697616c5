/**
 * A scripted server: what it does is its first argument. Not MCP; it shows what the proxy does to bytes, exits and signals.
 */
const [what = "", value = ""] = process.argv.slice(2);

const behaviours: Readonly<Record<string, () => void>> = {
  /** Gives back every byte. Ends when its input ends. */
  echo: () => void process.stdin.pipe(process.stdout),
  /** Writes this many bytes and ends. */
  write: () => {
    const chunk = Buffer.alloc(65_536, "x");
    let left = Number(value);
    const more = (): void => {
      for (; left > 0; left -= chunk.length) if (!process.stdout.write(chunk)) break;
      if (left > 0) {
        left -= chunk.length;
        process.stdout.once("drain", more);
      }
    };
    more();
  },
  /** Writes without end; answers everything it reads on standard error with how many bytes it could write so far. */
  flood: () => {
    const chunk = Buffer.alloc(65_536, "x");
    let written = 0;
    process.stdin.on("data", () => process.stderr.write(`${written}\n`));
    const more = (): void => {
      written += chunk.length;
      if (process.stdout.write(chunk)) setImmediate(more);
      else process.stdout.once("drain", more);
    };
    more();
  },
  exit: () => {
    process.stdout.write("last words");
    process.stderr.write("complaint");
    process.exitCode = Number(value);
  },
  kill: () => process.kill(process.pid, value),
  /** Says which signal it got, and ends with 7. */
  signals: () => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      process.on(signal, () => process.stdout.write(signal, () => process.exit(7)));
    }
    setInterval(() => {}, 1_000);
    process.stdout.write("ready\n");
  },
  /** A little of MCP: each call is answered with who answers and the how manieth call it is, `fails` with an error. */
  counts: () => {
    let calls = 0;
    let rest = "";
    const answer = (method: string, name: string): unknown => {
      if (method === "initialize") {
        return { protocolVersion: "2025-06-18", capabilities: { tools: {} }, serverInfo: { name: "c", version: "1" } };
      }
      const content = [{ type: "text", text: `${process.pid} ${++calls}` }];
      return name === "fails" ? { content, isError: true } : { content };
    };
    process.stdin.on("data", (chunk) => {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const { id, method, params } = JSON.parse(line);
        if (id === undefined) continue;
        const text = JSON.stringify({ jsonrpc: "2.0", id, result: answer(method, params?.name) });
        process.stdout.write(`${text}\n`);
      }
    });
  },
  /** Ends its output and its input, and itself a little later. */
  closes: () => {
    process.stdin.destroy();
    process.stdout.end("bye");
    setTimeout(() => process.exit(3), 200);
  },
};

behaviours[what]?.();
