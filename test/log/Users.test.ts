/** Users that several processes make at the same time. */
import { assert, describe, it } from "@effect/vitest";
import * as NodeServices from "@effect/platform-node/NodeServices";
import { Effect, FileSystem } from "effect";
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { userFinder } from "../../src/log/access/AccessList.ts";
import * as Users from "../../src/log/access/Users.ts";

/** Takes the lock as a process does that changes the users, and is killed with it. */
const holdAndDie = `new (require("better-sqlite3"))(process.argv[1]).exec("BEGIN IMMEDIATE");
  process.kill(process.pid, "SIGKILL");`;

const add = (root: string, name: string) =>
  Users.add({ root, name, role: "publisher", tenant: "acme", form: "creds", now: 1 });

describe("users of a store", () => {
  it.live("are all there that are made at the same time, and a process that was killed is in no one's way", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-users-" });
      const killed = spawnSync(process.execPath, ["-e", holdAndDie, `${root}/recollect-access.lock`], {
        encoding: "utf8",
      });
      assert.strictEqual(killed.signal, "SIGKILL", killed.stderr);
      const names = Array.from({ length: 8 }, (_, n) => `u${n}`);
      yield* Effect.forEach(names, (name) => add(root, name), { concurrency: "unbounded" });
      const listed = Effect.map(Users.list(root), (users) => users.map(({ name }) => name).toSorted());
      assert.deepStrictEqual(yield* listed, names);
      const gone = ["u1", "u6"];
      yield* Effect.forEach(gone, (name) => Users.revoke({ root, name }), { concurrency: "unbounded" });
      assert.deepStrictEqual(
        yield* listed,
        names.filter((name) => !gone.includes(name)),
      );
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  );

  it.live("are unknown while their list cannot be read, and known again after it", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const root = yield* fs.makeTempDirectoryScoped({ prefix: "recollect-users-" });
      yield* add(root, "ada");
      const list = `${root}/access.json`;
      const find = userFinder(root);
      assert.strictEqual(find("ada")?.role, "publisher");
      renameSync(list, `${root}/kept`);
      mkdirSync(list);
      assert.isUndefined(find("ada"));
      rmdirSync(list);
      writeFileSync(list, "{");
      assert.isUndefined(find("ada"));
      renameSync(`${root}/kept`, list);
      assert.strictEqual(find("ada")?.role, "publisher");
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
  );
});
