/**
 * Ends this process when the one that started it is gone (see recollect.mjs): fd 3 is a pipe that only it holds open.
 * Loaded before the program by the starter, so the program itself knows nothing of it.
 *
 * Threads inherit `--import` and load this too: the end of one would close the pipe for the whole process.
 */
import { Socket } from "node:net";
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  const starter = new Socket({ fd: 3, readable: true, writable: false });
  starter.on("error", () => {});
  starter.on("close", () => process.kill(process.pid, "SIGKILL"));
  starter.resume();
  starter.unref();
}
