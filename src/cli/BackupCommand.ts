/** `audit backup` and `audit restore`; what they do is in commands/Backup.ts. */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type { Execute } from "./Execute.ts"

const folder = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("D"), Flag.withDescription(description))

const backupCommand = (execute: Execute, program: string) =>
  Command.make(
    "backup",
    {
      to: folder("to", "Where the copy appears: a folder that is not there yet, or is empty"),
      keys: Flag.Literals("keys", ["none", "sealed", "all"]).pipe(
        Flag.withDescription("Signing keys in the copy: none, sealed ones, or the unseal.key too"),
        Flag.withDefault("none"),
      ),
    },
    (input) => execute(input, async () => (await import("./commands/Backup.ts")).runBackup),
  ).pipe(
    Command.withDescription("A verified copy of the whole log, taken while it is written"),
    Command.withExamples([
      { command: `${program} audit backup --to /backup/2026-11-24T12-00` },
      {
        command: `${program} audit verify --trust trust.json --expect-head /backup/…/heads.jsonl`,
        description: "Later: the log must still reach what the backup had",
      },
    ]),
  )

const restoreCommand = (execute: Execute, program: string) =>
  Command.make(
    "restore",
    {
      from: folder("from", "The backup"),
      trust: Flag.String("trust").pipe(
        Flag.withMetavar("FILE"),
        Flag.withDescription("The keys to believe; default: the trust file in the backup"),
        Flag.optional,
      ),
      expectHead: Flag.String("expect-head").pipe(
        Flag.withMetavar("FILE"),
        Flag.withDescription("A receipt, --acks output or heads.jsonl it must reach; repeatable"),
        Flag.atLeast(0),
      ),
    },
    ({ from, trust, expectHead }) =>
      execute(
        { from, trust: Option.getOrUndefined(trust), expectHead },
        async () => (await import("./commands/Backup.ts")).runRestore,
      ),
  ).pipe(
    Command.withDescription("Put a backup where nothing is yet, once it is verified"),
    Command.withExamples([
      { command: `${program} audit restore --from /backup/2026-11-24T12-00 --data-dir restored` },
    ]),
  )

/** Both, for the `audit` command. */
export const backupCommands = (execute: Execute, program: string) =>
  [backupCommand(execute, program), restoreCommand(execute, program)] as const
