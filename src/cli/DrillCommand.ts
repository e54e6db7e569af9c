/** `drill NAME`: chaos drills against a throw-away log; what they do is in commands/Drill*.ts. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import type { Execute } from "./Execute.ts"

export const drillCommand = (execute: Execute, program: string) =>
  Command.make(
    "drill",
    {
      name: Argument.Literals("NAME", ["shutdown"]).pipe(
        Argument.withDescription("shutdown: SIGTERM in the middle of heavy appends"),
      ),
      seconds: Flag.Int("seconds").pipe(
        Flag.withMetavar("N"),
        Flag.withDescription("How long records are appended before the signal"),
        Flag.withDefault(2),
      ),
      victim: Flag.String("victim").pipe(
        Flag.withDescription("The process that the drill ends: used by the drill itself"),
        Flag.withMetavar("DIR"),
        Flag.withHidden,
        Flag.optional,
      ),
    },
    ({ victim, seconds }) =>
      execute(
        { victim: Option.getOrUndefined(victim), seconds },
        async () => (await import("./commands/DrillShutdown.ts")).run,
      ),
  ).pipe(
    Command.withDescription("Break a throw-away log in a known way, and report what it lost"),
    Command.withExamples([{ command: `${program} drill shutdown` }]),
  )
