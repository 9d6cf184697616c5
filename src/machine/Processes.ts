/**
 * Processes of this machine, looked at by their id.
 *
 * Room: machine.
 *
 * Plain functions, because this file wraps `node:process`.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as OwnFile from "./OwnFile.ts";

/** Linux keeps the entry of a dead process until its parent looks; process 1 of a container may never look. */
const isZombie = (pid: number): boolean => {
  if (process.platform !== "linux") return false;
  try {
    return /^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

/** True when a process of this id lives. One that belongs to someone else lives, too. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
};

/** The arguments that a process was started with, separated by spaces; "" when that cannot be known. */
export const commandLineOf = (pid: number): string => {
  try {
    if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    if (process.platform === "win32") return "";
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" });
  } catch {
    return "";
  }
};

/** The pid in a file that holds nothing else; none when there is no file or no number in it. */
export const pidIn = (file: string): number | undefined => {
  try {
    const pid = Number.parseInt(OwnFile.readText(file), 10);
    return pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
};
