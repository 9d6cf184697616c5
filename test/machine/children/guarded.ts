import * as CommandGuardian from "../../../src/machine/CommandGuardian.ts";

/** Runs a command that dies with this process; its group is told on stdout. */
const { child } = CommandGuardian.make(1_000).start(process.argv.slice(2), process.env);
child.stdin.end();
child.stdout.pipe(process.stdout);
