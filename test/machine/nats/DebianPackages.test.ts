import * as NodeServices from "@effect/platform-node/NodeServices";
import { assert, layer } from "@effect/vitest";
import { ConfigProvider, Console, Effect, FileSystem } from "effect";
import { existsSync } from "node:fs";
import { unpack } from "../../../src/machine/nats/DebianPackages.ts";

/** Debian's tools, as far as the recipe uses them: the package, and one that this system lacks. */
const tools = {
  "apt-get": `#!/bin/sh
folder=$(/usr/bin/dirname "$2")
case "$*" in
  *indextargets*) echo "http://mirror.example/debian" ;;
  *update*)
    /bin/grep -q "http://mirror.example/debian bookworm main" "$folder/sources.list" &&
    /bin/grep -q 'Dir::State::status "/var/lib/dpkg/status"' "$folder/apt.conf" ;;
  *"--download-only install redis-server"*)
    echo > "$folder/cache/archives/redis-server_7_amd64.deb"
    echo > "$folder/cache/archives/libjemalloc2_5_amd64.deb" ;;
  *) echo "E: what is $*?" >&2; exit 100 ;;
esac
`,
  dpkg: "#!/bin/sh\necho amd64\n",
  "dpkg-deb": `#!/bin/sh
/bin/mkdir -p "$3/usr"
echo > "$3/usr/$(/usr/bin/basename "$2")"
`,
};

const isDebian = existsSync("/usr/share/keyrings/debian-archive-keyring.gpg");

layer(NodeServices.layer, { excludeTestServices: true })("packages from Debian", (it) => {
  it.effect.skipIf(!isDebian)(
    "are unpacked together with those they need and this system lacks, and end with the scope",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem;
        const root = yield* fs.makeTempDirectoryScoped();
        yield* fs.makeDirectory(`${root}/bin`);
        for (const [name, text] of Object.entries(tools)) {
          yield* fs.writeFileString(`${root}/bin/${name}`, text, { mode: 0o755 });
        }
        const said: Array<string> = [];
        const unpacked = yield* unpack({
          name: "redis-server",
          packages: ["redis-server"],
          dependencies: "missing",
          suite: "bookworm",
          megabytes: 2,
          parent: `${root}/cache`,
        }).pipe(
          Effect.flatMap((folder) => fs.readDirectory(`${folder}/usr`)),
          Effect.scoped,
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { PATH: `${root}/bin` } }))),
          Effect.provideService(Console.Console, { ...globalThis.console, error: (text: string) => said.push(text) }),
        );
        assert.sameMembers(unpacked, ["redis-server_7_amd64.deb", "libjemalloc2_5_amd64.deb"]);
        assert.match(said.join(), /^Fetching redis-server .* about 2 MB/);
        assert.deepStrictEqual(yield* fs.readDirectory(`${root}/cache`), []);
      }),
  );
});
