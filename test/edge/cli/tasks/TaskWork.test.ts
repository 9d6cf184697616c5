import { assert, describe, it } from "@effect/vitest";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "../../../../src/machine/Processes.ts";
import { Stage, until } from "../Program.ts";

/** By its request: fails with words on both streams, is not ready yet, or runs until it is told to end. */
const script = `read request; echo "$RECOLLECT_TASK_ID $RECOLLECT_TASK_ATTEMPT $RECOLLECT_TASK_TOKEN" >&2
case "$request" in
  *fails*) echo printed; exit 3 ;;
  *later*) [ -e "$MARK.later" ] || { : > "$MARK.later"; exit 75; } ;;
  *runs*) trap 'echo ended > "$MARK.ended"; exit 0' TERM; echo $$ > "$MARK"; while :; do sleep 0.05; done ;;
esac
echo done`;

describe("recollect tasks work", () => {
  it(
    "tells its command task, attempt and fencing token, keeps its logs, takes not now for an answer, and ends it on cancel",
    { timeout: 180_000 },
    async () => {
      await using stage = new Stage();
      await stage.up();
      const json = async (...words: ReadonlyArray<string>) => JSON.parse((await stage.run([...words, "--json"])).out);
      const mark = join(stage.data, "mark");
      const work = ["tasks", "work", "--agent-type", "t", "--later", "1", "--grace", "5", "--", "sh", "-c", script];
      const worker = stage.start(work, { MARK: mark });
      for (const id of ["fails", "later", "runs"])
        await json("tasks", "submit", "t", id, "--id", id, "--max-attempts", "1");

      assert.deepInclude(await json("tasks", "result", "fails"), { status: "failed", deadLetter: true });
      const logs = (await stage.run(["tasks", "logs", "fails"])).out;
      assert.match(logs, /^fails 1 \d+\nprinted\n$/);
      const token = Number(/fails 1 (\d+)/.exec(logs)?.[1]);
      // The result is the log's; the read models have its event some milliseconds later.
      await until(async () => {
        const { transitions } = await json("task", "fails");
        return transitions.some(({ sequence }: { readonly sequence: number }) => sequence === token);
      });

      await until(() => existsSync(mark) && readFileSync(mark, "utf8").trim() !== "");
      const pid = Number(readFileSync(mark, "utf8"));
      assert.isTrue(isAlive(pid));
      await json("tasks", "cancel", "runs");
      await until(() => !isAlive(pid));
      assert.isTrue(existsSync(`${mark}.ended`));

      assert.deepInclude(await json("tasks", "result", "later"), { status: "completed", attempt: 1, output: "done" });
      await worker.end();
    },
  );
});
