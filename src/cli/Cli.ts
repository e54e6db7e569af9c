/**
 * The command line: reads the arguments, runs a command, ends the process.
 *
 * - Wrong usage is one sentence and a hint, never a stack trace.
 * - Output that could not be written is told, whatever the command did: its exit code is never 0.
 * - SIGINT and SIGTERM abort the command, which closes the log properly; the exit code is 130. A
 *   second signal ends at once: what was acknowledged is safe all the same.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { makeProgram } from "./Commands.ts"
import { exits, failureOf, OutputError } from "./Exit.ts"
import type { Host } from "./Host.ts"
import { isGone } from "./Output.ts"

/** `--help --version --completions`; no wizard and no log level. */
const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]

/** The parser's message as one sentence. */
const sentence = (text: string): string =>
  text
    .replace(/\s*Did you mean this\?\s*/, ", did you mean ")
    .replace(/\s*[\r\n]+\s*/g, " or ")
    .replace(/(, did you mean .*)$/, "$1?")
    .trim()

const printFailure = (error: unknown, name: string, isJson: boolean): number => {
  const { exit, code, message, hint } = failureOf(error)
  if (isJson) {
    const told = { error: { code, message, exit, ...(hint === undefined ? {} : { hint }) } }
    process.stderr.write(`${JSON.stringify(told)}\n`)
  } else {
    process.stderr.write(`${name}: ${message}\n`)
    if (hint !== undefined) process.stderr.write(`hint: ${hint}\n`)
  }
  return exit
}

/** Help and version go to stdout when asked for; wrong usage is told in a sentence on stderr. */
const presenter = (host: Host): CliOutput.Presenter => {
  const formatter = CliOutput.defaultFormatter({
    colors: process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "",
  })
  return {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Version") process.stdout.write(`${event.name} ${event.version}\n`)
        else if (event._tag === "Help" && event.reason === "Requested") {
          process.stdout.write(`${formatter.formatHelpDoc(event.helpDoc)}\n`)
        } else if (event._tag === "Help") {
          process.stderr.write(`${formatter.formatHelpDoc(event.helpDoc)}\n`)
        } else {
          const path = [host.program, ...event.commandPath.slice(1)].join(" ")
          const [first] = event.errors
          const message = sentence(first?.message ?? "wrong usage")
          process.stderr.write(`${host.name}: ${message}\nhint: ${path} --help\n`)
        }
      }),
  }
}

/** The first error of stdout, which forgets it once it has told. */
let stdoutError: Error | undefined

/** Why stdout did not take everything; a reader that went away is no reason. */
const lostOutput = (): OutputError | undefined => {
  const error = stdoutError ?? process.stdout.errored ?? undefined
  return error === undefined || isGone(error) ? undefined : OutputError.of(error)
}

/** The exit code of an end, once it was told. */
const exitOf = (end: Exit.Exit<unknown, unknown>, success: number, host: Host): number => {
  const isJson = host.args.includes("--json")
  const lost = lostOutput()
  if (lost !== undefined) return printFailure(lost, host.name, isJson)
  if (Exit.isSuccess(end)) return success
  if (Cause.hasInterruptsOnly(end.cause)) return exits.aborted
  const error = Cause.squash(end.cause)
  // Its presenter has said everything.
  if (CliError.isCliError(error)) return exits.usage
  return printFailure(error, host.name, isJson)
}

/** Errors of the standard streams end nothing by themselves; `lostOutput` looks at them. */
const guardStreams = (): void => {
  process.stdout.on("error", (error) => {
    stdoutError ??= error
  })
  // Nobody can be told that stderr is gone.
  process.stderr.on("error", () => undefined)
}

/** Runs the program to the end of the process. */
export const runCli = (host: Host): void => {
  let exit: number = exits.done
  const program = makeProgram(host, (code) => {
    exit = code
  })
  guardStreams()
  let signals = 0
  host.takeSignals(() => {
    signals += 1
    if (signals > 1) process.exit(exits.aborted)
  })
  Command.runWith(program, { version: host.version })(host.args).pipe(
    Effect.provideService(CliConfig.CliConfig, CliConfig.make({ builtIns })),
    Effect.provideService(CliOutput.Presenter, presenter(host)),
    Effect.provide(NodeServices.layer),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (end, onExit) => onExit(exitOf(end, exit, host)),
    }),
  )
}
