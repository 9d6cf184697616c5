/**
 * The unit of systemd that runs a data folder's daemon as a service of this user.
 *
 * Room: machine.
 */
import { Effect, FileSystem, Path } from "effect";
import { execFile } from "node:child_process";
import { folderTrouble } from "./DataFolder.ts";
import { homeFolder, variable } from "./UserFolders.ts";

export const unitName = "recollect.service";

/** `$XDG_CONFIG_HOME/systemd/user`, by default `~/.config/systemd/user`. */
export const unitFile = Effect.gen(function* () {
  const path = yield* Path.Path;
  const chosen = yield* variable("XDG_CONFIG_HOME");
  const config = path.isAbsolute(chosen) ? chosen : path.join(yield* homeFolder, ".config");
  return path.join(config, "systemd", "user", unitName);
});

/** A word of ExecStart: quoted, with what systemd would expand doubled. */
const word = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("%", "%%").replaceAll("$", "$$$$")}"`;

/**
 * `KillMode=mixed`, because only the daemon may be asked to end: it ends its nats-server itself, after the last append.
 */
export const unitText = (options: {
  /** The program and its words, as they are to be run. */
  readonly command: ReadonlyArray<string>;
  readonly data: string;
}): string => `# Written by recollect service install, which writes it again as it is here.
[Unit]
Description=Recollect, the memory of record for AI agents
After=network.target

[Service]
Type=exec
ExecStart=${options.command.map(word).join(" ")} up --data ${word(options.data)}
Restart=on-failure
RestartSec=2
KillMode=mixed
TimeoutStopSec=60
UMask=0077
NoNewPrivileges=true

[Install]
WantedBy=default.target
`;

export interface Answer {
  readonly code: number;
  readonly text: string;
}

/** A user manager that does not answer in this time is not there. */
const patienceMillis = 60_000;

/** `systemctl --user …`; undefined where there is no systemctl. */
export const systemctl = (words: ReadonlyArray<string>): Effect.Effect<Answer | undefined> =>
  Effect.callback<Answer | undefined>((resume) => {
    const child = execFile(
      "systemctl",
      ["--user", ...words],
      { timeout: patienceMillis, encoding: "utf8" },
      (error, stdout, stderr) => {
        if (error !== null && error.code === "ENOENT") return resume(Effect.succeed(undefined));
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        return resume(Effect.succeed({ code, text: `${stdout}${stderr}`.trim() }));
      },
    );
    return Effect.sync(() => void child.kill());
  });

export const read = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  return yield* fs.readFileString(file).pipe(Effect.orElseSucceed(() => undefined));
});

/** In one step: systemd never sees half of it. */
export const write = Effect.fnUntraced(function* (file: string, text: string) {
  const fs = yield* FileSystem.FileSystem;
  const path = yield* Path.Path;
  const unfinished = `${file}.${process.pid}`;
  yield* fs.makeDirectory(path.dirname(file), { recursive: true }).pipe(
    Effect.andThen(fs.writeFileString(unfinished, text, { mode: 0o600 })),
    Effect.andThen(fs.rename(unfinished, file)),
    Effect.onError(() => fs.remove(unfinished, { force: true }).pipe(Effect.ignore)),
    Effect.mapError((cause) => folderTrouble({ path: file, cause })),
  );
});

export const remove = Effect.fnUntraced(function* (file: string) {
  const fs = yield* FileSystem.FileSystem;
  yield* fs.remove(file, { force: true }).pipe(Effect.mapError((cause) => folderTrouble({ path: file, cause })));
});
