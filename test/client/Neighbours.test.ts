/** A hundred clients of one data folder, in five processes. */
import { assert, layer } from "@effect/vitest";
import { Effect } from "effect";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as History from "../../src/domain/History.ts";
import * as SpoolDrainer from "../../src/publish/drain/SpoolDrainer.ts";
import * as Endings from "../drill/Endings.ts";
import * as World from "../publish/World.ts";
import * as NatsServer from "../support/NatsServer.ts";
import { programOf } from "../support/programs.ts";

const program = programOf("test/drill/neighbour.ts");
const [processes, clients, messages] = [5, 20, 2];

interface Said {
  readonly tags: Readonly<Record<string, number>>;
  readonly warnings: ReadonlyArray<string>;
}

const start = async (data: string, url: string, name: string): Promise<Said> => {
  const args = [program, data, url, name, String(clients), String(messages)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  await once(child, "close");
  return JSON.parse(said) as Said;
};

layer(Endings.layer, { excludeTestServices: true })("many clients of one data folder", (it) => {
  it.effect(
    "accept everything they are told, lose none of it, all get their connection, and warn of nothing",
    () =>
      Effect.gen(function* () {
        const { url } = yield* NatsServer.NatsServer;
        const data = yield* World.temporaryFolder;
        const names = Array.from({ length: processes }, (_, index) => `p${index}`);
        const all = yield* Effect.promise(() => Promise.all(names.map((name) => start(data, url, name))));
        const tags: Record<string, number> = {};
        for (const said of all)
          for (const [tag, some] of Object.entries(said.tags)) tags[tag] = (tags[tag] ?? 0) + some;
        const { Appended = 0, Spooled = 0, ...others } = tags;
        assert.deepStrictEqual(others, {});
        assert.strictEqual(Appended + Spooled, processes * clients * messages);
        assert.deepStrictEqual(
          all.flatMap(({ warnings }) => warnings),
          [],
        );
        const threads = names.flatMap((name) => Array.from({ length: clients }, (_, index) => `${name}-${index}`));
        const texts = Effect.forEach(threads, (id) => World.textsOf(History.thread(id)));
        const isThere = Effect.map(texts, (found) => found.every(({ length }) => length >= messages));
        const complete = Effect.gen(function* () {
          while (!(yield* isThere)) yield* Effect.sleep(200);
        });
        const drained = SpoolDrainer.layer({ file: `${data}/spool.db`, url });
        yield* Effect.timeout(complete, 60_000).pipe(Effect.provide(drained));
        const wanted = Array.from({ length: messages }, (_, number) => String(number));
        assert.deepStrictEqual(
          yield* texts,
          threads.map(() => wanted),
        );
      }),
    180_000,
  );
});
