/**
 * The packed package on the oldest and the newest Node of each supported line: its commands, and programs that import it.
 *
 * A drill and no test, because the Nodes are 700 MB. A Node that cannot be fetched is said, and left out.
 */
import { Effect } from "effect";
import * as fs from "node:fs";
import * as path from "node:path";
import * as NatsBinary from "../../src/machine/nats/NatsBinary.ts";
import { session } from "../edge/cli/Program.ts";
import { lines, newestOf, nodeOf, oldest } from "../package/NodePrograms.ts";
import * as Packed from "../package/Packed.ts";

const talk = `
const recollect = await Recollect.connect({ client: "nodes" });
const thread = recollect.thread("nodes");
await thread.say({ role: "user", text: "Will it rain in Ghent?" });
console.log((await thread.read()).messages.length);
await recollect.close();
`;

const programs = {
  "esm.mjs": `import { Recollect } from "recollect";\n${talk}`,
  "cjs.cjs": `const { Recollect } = require("recollect");\n(async () => {${talk}})();`,
};

interface Case {
  readonly words: ReadonlyArray<string>;
  readonly code: number;
  /** Text of stdout and stderr. */
  readonly says: RegExp;
}

/** In order: later cases read the data of earlier ones. */
const casesOf = (bin: string, app: string, node: string): ReadonlyArray<Case> => {
  const command = (words: ReadonlyArray<string>, says: RegExp, code = 0): Case => ({
    words: [bin, ...words],
    code,
    says,
  });
  return [
    command(["--version"], /^\d+\.\d+\.\d+\n/),
    command(["--help"], /threads/),
    command(["threads"], /There is no store in /, 4),
    command(["import", path.join(app, "session.jsonl"), "--json"], /"eventsAppended":2/),
    command(["threads", "--json"], /"threadId":"a"/),
    command(["sql", "SELECT count(*) AS n FROM v_messages", "--json"], /"n":2/),
    command(["status", "--json"], /"messages":2/),
    command(["search", "rain", "--json"], /"threadId":"a"/),
    command(["verify", "--json"], /"ok":true/),
    command(["wrap", "--", node, "-e", "process.exitCode = 7"], /^/, 7),
    { words: [path.join(app, "esm.mjs")], code: 0, says: /^1\n/ },
    { words: [path.join(app, "cjs.cjs")], code: 0, says: /^2\n/ },
    command(["threads", "--text", "Ghent", "--json"], /"threadId":"nodes"/),
  ];
};

/** Runs every case on a Node. Returns the broken promises. */
const tried = (name: string, node: string, app: string, env: Packed.How["env"]): ReadonlyArray<string> => {
  const data = path.join(app, `data-${name}`);
  const bin = path.join(app, "node_modules/recollect/bin/recollect.mjs");
  return casesOf(bin, app, node).flatMap(({ code, says, words }) => {
    const ended = Packed.run([node, ...words], { cwd: app, env: { ...env, RECOLLECT_DATA: data } });
    const all = `${ended.out}${ended.err}`;
    if (ended.code === code && says.test(all)) return [];
    return [`Node ${name}: ${words.slice(0, 3).join(" ")} ended with ${ended.code} and said ${all.slice(0, 500)}`];
  });
};

/** True when every command and program was as promised on every Node that is there. */
export const run = (say: (line: string) => void) =>
  Effect.map(NatsBinary.make, ({ path: server }) => {
    const folder = Packed.temporaryFolder();
    try {
      const app = path.join(folder, "app");
      const file = Packed.pack(Packed.copyOfCheckout(folder), folder);
      if (!Packed.canFetch("what the package depends on", Packed.install(app, [file]))) return true;
      for (const [name, text] of Object.entries(programs)) fs.writeFileSync(path.join(app, name), text);
      fs.writeFileSync(path.join(app, "session.jsonl"), session("a", ["rain", "sun"]));
      const nodes = [
        ...oldest.map((version) => ({ name: version, node: nodeOf(version, folder) })),
        ...lines.map((line) => ({ name: `${line} (newest)`, node: newestOf(line, folder) })),
      ];
      let isGood = true;
      for (const { name, node } of nodes) {
        if (node === undefined) continue;
        const version = Packed.run([node, "--version"], { cwd: folder }).out.trim();
        const faults = tried(version, node, app, { RECOLLECT_NATS_SERVER: server });
        for (const fault of faults) say(`- ${fault}`);
        say(`Node ${name}, ${version}: ${faults.length === 0 ? "as promised" : `${faults.length} faults`}`);
        isGood &&= faults.length === 0;
      }
      return isGood;
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
