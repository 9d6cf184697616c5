/**
 * The command line: every command, under one root.
 *
 * Room: edge.
 */
import { Command } from "effect/cli";
import { rebuild, verify } from "./RebuildVerify.ts";
import { backup } from "./Backup.ts";
import { cache } from "./Cache.ts";
import { config } from "./Config.ts";
import { exportCommand } from "./Export.ts";
import { files } from "./Files.ts";
import { recollect } from "./Flags.ts";
import { heal } from "./Heal.ts";
import { importCommand } from "./Import.ts";
import { inbox } from "./Inbox.ts";
import { restore } from "./Restore.ts";
import { sessions } from "./Sessions.ts";
import { limits } from "./Limits.ts";
import { spool } from "./Spool.ts";
import { sql } from "./Sql.ts";
import { status } from "./Status.ts";
import { tail } from "./Tail.ts";
import { task, tasks } from "./Tasks.ts";
import { threadCommand } from "./Thread.ts";
import { threads } from "./Threads.ts";
import { up } from "./Up.ts";
import { wrap } from "./Wrap.ts";

export const cli = recollect.pipe(
  Command.withDescription("The memory of record for AI agents"),
  Command.withSubcommands([
    up,
    importCommand,
    exportCommand,
    wrap,
    threads,
    threadCommand,
    files,
    tail,
    sql,
    tasks,
    task,
    sessions,
    inbox,
    config,
    limits,
    cache,
    status,
    spool,
    rebuild,
    verify,
    heal,
    backup,
    restore,
  ]),
);
