import { assert, describe, it } from "@effect/vitest";
import { existsSync, readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { draw, faultsOf, loadedBy, readTree, root } from "./support/flow.ts";
import { mutants } from "./drill/mutants/List.ts";
import { stumbles } from "./support/english.ts";
import { missingFrom } from "./support/lock.ts";

const head = (room: string) => `/**\n * A sentence.\n *\n * Room: ${room}.\n */\n`;
const faults = (path: string, text: string) => faultsOf([{ path, text }]);

describe("the house", () => {
  it("has a head on every file, in the room it lies in, and imports along the flow only", () => {
    assert.deepStrictEqual(faultsOf(readTree(root)), []);
  });

  it("draws its rooms in data order", () => {
    const drawn = draw([
      { path: "src/edge/cli/Sql.ts", text: head("edge") },
      { path: "projections/threads.ts", text: head("projections") },
      { path: "src/domain/Event.ts", text: head("domain") },
    ]);
    assert.deepStrictEqual(drawn.match(/^\w+$/gm), ["domain", "projections", "edge"]);
  });

  it("has each fault that the drill plants, once in its file, and the tests that have to notice it", () => {
    const strays = mutants.filter(({ file, from, tests }) => {
      const text = readFileSync(resolve(root, file), "utf8");
      return text.split(from).length !== 2 || !tests.every((test) => existsSync(resolve(root, test)));
    });
    assert.isNotEmpty(mutants);
    assert.deepStrictEqual(strays, []);
  });

  it("has programs beside the process that load no Effect, which costs each start 0.3 s of processor", () => {
    const files = readTree(root);
    const programs = files.filter(({ path }) => /(?:Thread|Process)Sqlite\.ts$/.test(path));
    assert.includeMembers(
      programs.map(({ path }) => basename(path)),
      ["WriterThreadSqlite.ts", "FileCheckThreadSqlite.ts", "SandboxProcessSqlite.ts", "AsideProcessSqlite.ts"],
    );
    for (const { path } of programs) {
      const loaded = loadedBy(path, files);
      assert.deepStrictEqual(
        loaded.filter((name) => /^(?:effect|@effect|@nats-io)(?:\/|$)/.test(name)),
        [],
        path,
      );
    }
  });

  it("builds every program that a file starts beside itself, for the package as well", () => {
    const beside = /(?:new URL\(\s*`\.\/|\bbeside\(")(\w+)(?:\$\{import\.meta|")/g;
    const names = readTree(root).flatMap(({ text }) => [...text.matchAll(beside)].map(([, name]) => name ?? ""));
    assert.includeMembers(names, ["Recorder", "WriterThreadSqlite", "EarlierProcess"]);
    const builder = readFileSync(resolve(root, "bin/build.mjs"), "utf8");
    const { sideEffects } = JSON.parse(readFileSync(resolve(root, "package.json"), "utf8"));
    for (const name of names) {
      assert.match(builder, new RegExp(`^  ${name}: "src/`, "m"));
      assert.include(sideEffects, `./dist/${name}.js`);
    }
  });

  it("has docstrings that begin with a noun, and that name who is meant", () => {
    const files = readTree(root);
    assert.deepStrictEqual(stumbles(files), []);
  });

  it("has a lock file from which `npm ci` can install on every platform", () => {
    const lock = JSON.parse(readFileSync(resolve(root, "package-lock.json"), "utf8"));
    assert.deepStrictEqual(missingFrom(lock), {}, "run: node test/support/lock.ts");
    assert.notMatch(JSON.stringify(lock), /"resolved":"(?!bin\/)/, "the lock file must name no registry");
  });

  it("gives the Effect checker its plugin, without which it checks nothing and is green", () => {
    assert.match(readFileSync(resolve(root, "tsconfig.json"), "utf8"), /"name": "@effect\/language-service"/);
  });
});

describe("the reader of docstrings", () => {
  const said = (text: string) => stumbles([{ path: "src/log/A.ts", text }]);

  it("stops at a question word and at a pronoun for no one, in one line and in several", () => {
    assert.deepStrictEqual(said("const a = 1;\n/** What is written. */"), [
      'src/log/A.ts:2 begins with "What": begin with the noun.',
    ]);
    assert.lengthOf(said("/**\n * How long\n * it takes.\n */"), 1);
    assert.lengthOf(said("/** Events that nobody\n * reads. */"), 1);
    assert.lengthOf(said("/** Whoever asks, and Somebody. */"), 2);
  });

  it("goes on over nouns, names and code", () => {
    assert.deepStrictEqual(said("/** The Who&When dataset. */\n/** Who&When: logs. */\n/** Whole events. */"), []);
    assert.deepStrictEqual(said("// What is no docstring.\nconst nobody = 1;"), []);
  });
});

describe("the inspector of the house", () => {
  it("accepts a file that obeys", () => {
    const text = `${head("log")}import { Event } from "../domain/Event.ts"\nexport * from "./Subject.ts"\n`;
    assert.deepStrictEqual(faults("src/log/EventLog.ts", text), []);
    assert.deepStrictEqual(
      faults("projections/threads.ts", `${head("projections")}import "../src/domain/Event.ts"`),
      [],
    );
  });

  it("refuses a tree without files", () => {
    assert.lengthOf(faultsOf([]), 1);
  });

  it("refuses a file without a head", () => {
    assert.match(faults("src/log/A.ts", "export const a = 1\n").join(), /does not start with a head/);
  });

  it("refuses a head that does not begin with a sentence", () => {
    assert.match(faults("src/log/A.ts", head("log").replace("A sentence.", "Room")).join(), /not a sentence/);
  });

  it("refuses a head without a room line, or with neighbours written by hand", () => {
    assert.match(faults("src/log/A.ts", "/**\n * A sentence.\n */").join(), /has no line "Room/);
    assert.match(
      faults("src/log/A.ts", head("log").replace("log.", "log. In: a. Out: b.")).join(),
      /has no line "Room/,
    );
  });

  it("refuses a room that is not the folder, and a folder that is no room", () => {
    assert.match(faults("src/log/A.ts", head("query")).join(), /says it is in room query, but lies in log/);
    assert.match(faults("src/utils/A.ts", head("utils")).join(), /not a room/);
  });

  it("refuses imports against the flow, in every form", () => {
    const forms = [
      'import { a } from "../query/A.ts"',
      'import type { a } from "../query/A.ts"',
      "import * as A from '../query/A.ts'",
      'import {\n  a,\n  b\n} from "../query/A.ts"',
      'import "../query/A.ts"',
      'export { a } from "../query/A.ts"',
      'export * from "../query/A.ts"',
      'const a = await import("../query/A.ts")',
    ];
    for (const form of forms) {
      assert.match(faults("src/log/A.ts", `${head("log")}${form}\n`).join(), /must not import src\/query\/A\.ts/, form);
    }
  });

  it("keeps publish and projection apart, and query away from the log", () => {
    const from = (room: string, other: string) =>
      faults(`src/${room}/A.ts`, `${head(room)}import "../${other}/B.ts"\n`);
    assert.lengthOf(from("publish", "projection"), 1);
    assert.lengthOf(from("projection", "publish"), 1);
    assert.lengthOf(from("publish", "query"), 1);
    assert.lengthOf(from("query", "log"), 1);
    assert.lengthOf(from("query", "projection"), 0);
  });

  it("refuses source that imports tests or benches", () => {
    const text = `${head("log")}import "../../test/support/NatsServer.ts"\n`;
    assert.match(faults("src/log/A.ts", text).join(), /must not import test/);
  });

  it("is not fooled by an example in a comment or by a word in a string", () => {
    const text = `${head("log")}/**\n * import { a } from "../query/A.ts"\n */\nexport const a = 'came from "../query/A.ts"';\n`;
    assert.deepStrictEqual(faults("src/log/A.ts", text), []);
  });
});

describe("the lock file's keeper", () => {
  it("names the platform of what is missing, so that other platforms skip it", () => {
    const lock = {
      packages: {
        "node_modules/tool": {
          version: "1.0.0",
          dev: true,
          optionalDependencies: { "@tool/binding-linux-x64-musl": "1.0.0", "tool-darwin-arm64": "1.0.0" },
        },
      },
    };
    assert.deepStrictEqual(missingFrom(lock), {
      "node_modules/@tool/binding-linux-x64-musl": {
        version: "1.0.0",
        dev: true,
        cpu: ["x64"],
        libc: ["musl"],
        optional: true,
        os: ["linux"],
      },
      "node_modules/tool-darwin-arm64": { version: "1.0.0", dev: true, cpu: ["arm64"], optional: true, os: ["darwin"] },
    });
  });
});
