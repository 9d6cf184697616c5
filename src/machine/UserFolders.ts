/**
 * Folders of this user's files, by the XDG base directory specification.
 *
 * Room: machine.
 *
 * Data is what must not be lost; cache is what can be fetched again. An empty variable counts as unset, and a relative
 * path in one is ignored, as the specification demands. Windows has a folder of its own for both.
 */
import { Config, Effect, Path } from "effect";
import { homedir } from "node:os";

/** The value of an environment variable; "" when it is unset. */
export const variable = (name: string) => Config.String(name).pipe(Config.withDefault(""), Effect.orDie);

/** The user's home folder. */
export const homeFolder = variable("HOME").pipe(Effect.map((fromEnvironment) => fromEnvironment || homedir()));

const userFolder = Effect.fnUntraced(function* (options: {
  readonly variable: string;
  readonly belowHome: string;
  readonly onWindows: string;
}) {
  const path = yield* Path.Path;
  const chosen = yield* variable(options.variable);
  if (path.isAbsolute(chosen)) return path.join(chosen, "recollect");
  const local = yield* variable("LOCALAPPDATA");
  if (process.platform === "win32" && path.isAbsolute(local)) return path.join(local, "recollect", options.onWindows);
  return path.join(yield* homeFolder, options.belowHome, "recollect");
});

/** `$XDG_DATA_HOME/recollect`, by default `~/.local/share/recollect`. */
export const dataHome = userFolder({ variable: "XDG_DATA_HOME", belowHome: ".local/share", onWindows: "data" });

/** `$XDG_CACHE_HOME/recollect`, by default `~/.cache/recollect`. */
export const cacheHome = userFolder({ variable: "XDG_CACHE_HOME", belowHome: ".cache", onWindows: "cache" });
