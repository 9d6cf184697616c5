import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, describe, it, layer } from "@effect/vitest";
import { ConfigProvider, Console, Effect, FileSystem } from "effect";
import { existsSync } from "node:fs";
import * as NatsBinary from "../../../src/machine/nats/NatsBinary.ts";

/** A program that says a version and nothing else. */
const program = (version: string) => `#!/bin/sh\necho "nats-server: v${version}"\n`;

/** A machine of files: programs on the PATH, an empty cache, nothing of the real one but /bin/sh. */
const machine = Effect.fnUntraced(function* (programs: Record<string, string>) {
  const fs = yield* FileSystem.FileSystem;
  const root = yield* fs.makeTempDirectoryScoped();
  yield* fs.makeDirectory(`${root}/bin`);
  for (const [name, text] of Object.entries(programs)) {
    yield* fs.writeFileString(`${root}/bin/${name}`, text, { mode: 0o755 });
  }
  const said: Array<string> = [];
  const find = (env: Record<string, string> = {}) =>
    NatsBinary.make.pipe(
      Effect.provide(
        ConfigProvider.layer(
          ConfigProvider.fromEnv({ env: { PATH: `${root}/bin`, XDG_CACHE_HOME: `${root}/cache`, ...env } }),
        ),
      ),
      Effect.provideService(Console.Console, { ...globalThis.console, error: (text: string) => said.push(text) }),
    );
  return { root, find, said, cached: `${root}/cache/recollect/bin/${process.platform}-${process.arch}/nats-server` };
});

/** Debian's tools, as far as the recipe uses them. The package holds the program that `version` names. */
const debian = (version: string) => ({
  "apt-get": `#!/bin/sh
case "$*" in
  *indextargets*--no-release-info*) echo "http://mirror.example/security"; echo "http://mirror.example/debian" ;;
  *update*) /bin/grep -q "http://mirror.example/debian forky main" sources.list ;;
  *download*) echo package > nats-server_${version}_amd64.deb ;;
esac
`,
  dpkg: "#!/bin/sh\necho amd64\n",
  "dpkg-deb": `#!/bin/sh
/bin/mkdir -p "$3/usr/sbin"
printf '#!/bin/sh\\necho "nats-server: v${version}"\\n' > "$3/usr/sbin/nats-server"
`,
});

describe("a version", () => {
  it("is compared number by number", () => {
    assert.isTrue(NatsBinary.isAtLeast("2.15.1", "2.12.1"));
    assert.isTrue(NatsBinary.isAtLeast("2.12.1", "2.12.1"));
    assert.isTrue(NatsBinary.isAtLeast("3.0.0", "2.12.1"));
    assert.isTrue(NatsBinary.isAtLeast("2.14.0-RC.2", "2.12.1"));
    assert.isFalse(NatsBinary.isAtLeast("2.9.10", "2.12.1"));
    assert.isFalse(NatsBinary.isAtLeast("2.12.0", "2.12.1"));
  });
});

layer(NodeServices.layer, { excludeTestServices: true })("the nats-server program", (it) => {
  it.effect("is the one on the PATH when it is new enough", () =>
    Effect.gen(function* () {
      const { find, root } = yield* machine({ "nats-server": program("2.14.3") });
      assert.deepStrictEqual(yield* find(), { path: `${root}/bin/nats-server`, version: "2.14.3" });
    }),
  );

  it.effect("is the one that RECOLLECT_NATS_SERVER names, before the PATH", () =>
    Effect.gen(function* () {
      const { find, root } = yield* machine({ "nats-server": program("2.15.1"), mine: program("2.12.5") });
      const found = yield* find({ RECOLLECT_NATS_SERVER: `${root}/bin/mine` });
      assert.strictEqual(found.version, "2.12.5");
    }),
  );

  it.effect("is refused with a sentence when the one that was named is too old or is none", () =>
    Effect.gen(function* () {
      const { find, root } = yield* machine({ old: program("2.9.10"), other: "#!/bin/sh\necho hello\n" });
      const old = yield* Effect.flip(find({ RECOLLECT_NATS_SERVER: `${root}/bin/old` }));
      assert.strictEqual(old.reason, "tooOld");
      assert.include(old.message, "version 2.9.10; 2.12.1 or newer is needed");
      const other = yield* Effect.flip(find({ RECOLLECT_NATS_SERVER: `${root}/bin/other` }));
      assert.strictEqual(other.reason, "notRunnable");
      const none = yield* Effect.flip(find({ RECOLLECT_NATS_SERVER: `${root}/bin/none` }));
      assert.strictEqual(none.reason, "notRunnable");
      assert.include(none.hint, "unset RECOLLECT_NATS_SERVER");
    }),
  );

  it.effect("is not there on a machine without one, and the sentence says how to get one", () =>
    Effect.gen(function* () {
      const { find, said } = yield* machine({});
      const error = yield* Effect.flip(find());
      assert.strictEqual(error.reason, "missing");
      assert.include(error.hint, "RECOLLECT_NATS_URL");
      assert.isAtMost(said.length, 1);
    }),
  );

  it.effect("names the old one that is on the PATH when no other can be had", () =>
    Effect.gen(function* () {
      const { find, root } = yield* machine({ "nats-server": program("2.9.10") });
      const error = yield* Effect.flip(find());
      assert.strictEqual(error.reason, "tooOld");
      assert.include(error.message, `${root}/bin/nats-server is 2.9.10`);
    }),
  );
});

/** The recipe trusts the keyring of a Debian system; elsewhere it does not begin. */
const isDebian = existsSync("/usr/share/keyrings/debian-archive-keyring.gpg");

layer(NodeServices.layer, { excludeTestServices: true })("fetching from Debian", (it) => {
  const effect = it.effect.skipIf(!isDebian);

  effect("happens once, says so in one sentence, and leaves nothing else behind", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem;
      const { cached, find, said } = yield* machine({ "nats-server": program("2.9.10"), ...debian("2.15.1") });
      assert.deepStrictEqual(yield* find(), { path: cached, version: "2.15.1" });
      assert.deepStrictEqual(yield* find(), { path: cached, version: "2.15.1" });
      assert.lengthOf(said, 1);
      assert.deepStrictEqual(yield* fs.readDirectory(cached.replace(/\/nats-server$/, "")), ["nats-server"]);
    }),
  );

  effect("by two at once gives both a whole program", () =>
    Effect.gen(function* () {
      const { find } = yield* machine(debian("2.15.1"));
      const found = yield* Effect.forEach([1, 2, 3], () => find(), { concurrency: "unbounded" });
      assert.deepStrictEqual(new Set(found.map(({ version }) => version)), new Set(["2.15.1"]));
    }),
  );

  effect("tells which step failed, and what to do instead", () =>
    Effect.gen(function* () {
      const broken = '#!/bin/sh\necho "http://mirror.example/debian"\necho "E: no route to host" >&2\nexit 100\n';
      const { find } = yield* machine({ ...debian("2.15.1"), "apt-get": broken });
      const error = yield* Effect.flip(find());
      assert.include(error.message, "no route to host");
      assert.include(error.hint, "RECOLLECT_NATS_SERVER");
    }),
  );
});
