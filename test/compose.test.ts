import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it } from "@effect/vitest";
import { Effect, FileSystem, Layer, Schema } from "effect";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parse } from "yaml";
import * as ServerConf from "../src/log/access/ServerConf.ts";
import * as NatsBinary from "../src/machine/nats/NatsBinary.ts";
import { root } from "./support/flow.ts";

const Service = Schema.Struct({
  image: Schema.optionalKey(Schema.String),
  command: Schema.Array(Schema.String),
  profiles: Schema.optionalKey(Schema.Array(Schema.String)),
  ports: Schema.optionalKey(Schema.Array(Schema.String)),
  volumes: Schema.Array(Schema.String),
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  build: Schema.optionalKey(Schema.Struct({ context: Schema.String, dockerfile_inline: Schema.String })),
});
const Compose = Schema.Struct({
  services: Schema.Record(Schema.String, Service),
  volumes: Schema.Record(Schema.String, Schema.Null),
});

const file = resolve(root, "docker-compose.yml");
const compose = Schema.decodeUnknownSync(Compose)(parse(readFileSync(file, "utf8"), { merge: true }));
const servers = Object.entries(compose.services).filter(([, service]) => service.image?.startsWith("nats:"));

describe("docker-compose.yml", () => {
  it("has NATS, the daemon, and three more NATS nodes in profile cluster", () => {
    assert.deepStrictEqual(Object.keys(compose.services), [
      "access",
      "nats",
      "recollect",
      "nats-1",
      "nats-2",
      "nats-3",
    ]);
    const inCluster = servers.filter(([, service]) => service.profiles?.includes("cluster")).map(([name]) => name);
    assert.deepStrictEqual(inCluster, ["nats-1", "nats-2", "nats-3"]);
  });

  it("gives the daemon the address of the server and a program that is there", () => {
    const daemon = compose.services["recollect"];
    assert.strictEqual(daemon?.environment?.["RECOLLECT_NATS_URL"], "${RECOLLECT_NATS_URL:-nats://nats:4222}");
    const copied = /^ENTRYPOINT \["node", "(.*)"\]$/m.exec(daemon?.build?.dockerfile_inline ?? "")?.[1];
    assert.isTrue(existsSync(resolve(root, copied ?? "missing")));
  });

  it("keeps every folder in a volume that is declared, and every port on this machine", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      const volumes = service.volumes.map((volume) => volume.split(":")[0] ?? "").filter((source) => source[0] !== ".");
      assert.isNotEmpty(volumes, name);
      for (const volume of volumes) assert.property(compose.volumes, volume);
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
    }
  });

  it.effect(
    "runs every server with the configuration that lets in who has a key, and flags that nats-server accepts",
    () =>
      Effect.gen(function* () {
        const { path } = yield* NatsBinary.NatsBinary;
        const folder = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped();
        const { configFile } = yield* ServerConf.prepare(folder);
        assert.lengthOf(servers, 4);
        for (const [name, service] of servers) {
          assert.include(service.volumes, "recollect:/recollect:ro", name);
          const flags = service.command.map((flag) => flag.replace("=/recollect/", `=${folder}/`));
          assert.include(flags, `--config=${configFile}`);
          assert.notMatch(flags.join(" "), /http|monitor/, "no port that answers everybody");
          execFileSync(path, [...flags, "-t"], { stdio: "pipe" });
        }
      }).pipe(Effect.provide(Layer.provideMerge(NatsBinary.layer, NodeServices.layer))),
  );

  it("is accepted by docker compose, where there is one", ({ skip }) => {
    const ask = (...args: ReadonlyArray<string>) =>
      spawnSync("docker", ["compose", ...args], { cwd: root, encoding: "utf8" });
    if (ask("version").status !== 0) return skip("no docker compose on this machine");
    const answer = ask("--profile", "cluster", "config", "--quiet");
    assert.strictEqual(answer.status, 0, answer.stderr);
  });
});
