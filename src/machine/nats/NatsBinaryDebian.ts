/**
 * Fetches nats-server as Debian's package.
 *
 * Room: machine.
 *
 * The suite is `forky`, whatever this system runs: bookworm has 2.9, far too old, and the program has no dependencies.
 */
import { Effect, FileSystem, Path } from "effect";
import { DebianFetchFailed, unpack } from "./DebianPackages.ts";

/**
 * Puts nats-server at `target`, whole or not at all: it is unpacked beside it and renamed, so a process that does the
 * same at the same moment only replaces it by its equal.
 */
export const fetch = Effect.fn("machine.fetchNatsBinary")(
  function* (options: { readonly target: string }) {
    const fs = yield* FileSystem.FileSystem;
    const path = yield* Path.Path;
    const unpacked = yield* unpack({
      name: "nats-server",
      packages: ["nats-server"],
      dependencies: "none",
      suite: "forky",
      megabytes: 15,
      parent: path.dirname(options.target),
    });
    const program = path.join(unpacked, "usr/sbin/nats-server");
    yield* fs.chmod(program, 0o755);
    yield* fs.rename(program, options.target);
  },
  Effect.scoped,
  Effect.catchTag("PlatformError", (error) => Effect.fail(new DebianFetchFailed({ message: `${error.message}.` }))),
);
