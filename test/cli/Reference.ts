/** docs/reference/cli.md and errors.md, made of the definitions that they describe. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { makeProgram } from "../../src/cli/Commands.ts"
import { errorTable, exits } from "../../src/cli/Exit.ts"

const unused = (): never => {
  throw new Error("help runs no command")
}

const program = makeProgram(
  {
    openRoom: unused,
    continueChain: unused,
    openReplay: unused,
    takeSignals: unused,
    args: [],
    name: "strongroom",
    program: "strongroom",
    version: "0",
  },
  unused,
)

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]

/** The help of a command, as the program would present it. */
const helpOf = async (path: ReadonlyArray<string>): Promise<HelpDoc> => {
  let found: HelpDoc | undefined
  const presenter: CliOutput.Presenter = {
    present: (event) =>
      Effect.sync(() => {
        if (event._tag === "Help") found = event.helpDoc
      }),
  }
  await Command.runWith(program, { version: "0" })([...path, "--help"]).pipe(
    Effect.provideService(CliConfig.CliConfig, CliConfig.make({ builtIns })),
    Effect.provideService(CliOutput.Presenter, presenter),
    Effect.provide(NodeServices.layer),
    Effect.runPromise,
  )
  if (found === undefined) throw new Error(`no help for ${path.join(" ")}`)
  return found
}

interface Named {
  readonly path: ReadonlyArray<string>
  readonly command: Command.Command.Any
}

/** Every command that does something, in the order of the help. */
const leaves = ({ path, command }: Named): ReadonlyArray<Named> => {
  const below = command.subcommands.flatMap(({ commands }) => commands)
  if (below.length === 0) return [{ path, command }]
  return below.flatMap((sub) => leaves({ path: [...path, sub.name], command: sub }))
}

const cell = (text: string): string => text.replaceAll("|", "\\|")

const flagRow = (flag: FlagDoc): string => {
  const names = [`--${flag.name}`, ...flag.aliases].map((name) => `\`${name}\``).join(", ")
  const type = flag.type === "boolean" || flag.type === "choice" ? "" : ` ${flag.type}`
  const description = Option.getOrElse(flag.description, () => "")
  // The parser calls a list required even where it may be empty.
  const needed = flag.required && !/repeat/.test(description) ? " (required)" : ""
  return `| ${names}${cell(type)} | ${cell(description)}${needed} |`
}

const flagTable = (flags: ReadonlyArray<FlagDoc>): ReadonlyArray<string> =>
  flags.length === 0 ? [] : ["", "| flag | meaning |", "|---|---|", ...flags.map(flagRow)]

const section = (doc: HelpDoc): ReadonlyArray<string> => [
  `## ${doc.usage.replace(/ \[flags\].*$/, "")}`,
  "",
  `${doc.description}.`,
  "",
  "```",
  doc.usage,
  "```",
  ...flagTable(doc.flags),
  ...(doc.examples === undefined || doc.examples.length === 0
    ? []
    : [
        "",
        "```sh",
        ...doc.examples.flatMap(({ command, description }) =>
          description === undefined ? [command] : [`# ${description}`, command],
        ),
        "```",
      ]),
  "",
]

const exitMeanings: Readonly<Record<keyof typeof exits, string>> = {
  done: "done, valid or intact",
  usage: "wrong usage, configuration or input",
  invalid: "invalid: tampering was found",
  unknown: "unknown: not proven",
  unavailable: "busy or unavailable: locked, no space, no engine",
  aborted: "aborted by a signal; the log was closed properly",
}

const names = Object.keys(exits) as ReadonlyArray<keyof typeof exits>

const regenerate = "`npm test -- test/cli/Reference.test.ts -u`"

export const cliReference = async (): Promise<string> => {
  const commands = leaves({ path: [], command: program })
  const docs = await Promise.all(commands.map(({ path }) => helpOf(path)))
  return [
    "# Command line",
    "",
    `Made of src/cli/Commands.ts by ${regenerate}; a test fails where it differs.`,
    "",
    "From a checkout `strongroom` is `npm run -s strongroom --`. `ronctl` and `stella` are the",
    "same program. Results go to stdout, everything else to stderr; with `--json` stdout holds one",
    "JSON object, or one on each line, and an error is one JSON object on stderr.",
    "",
    "| exit | meaning |",
    "|---|---|",
    ...names.map((name) => `| ${exits[name]} | ${exitMeanings[name]} |`),
    "",
    "## Flags of every command",
    ...flagTable(docs[0]?.globalFlags ?? []),
    "",
    "Settings come from flags, then the environment, then the file of `--config`, then defaults.",
    "Commands use `data_dir`, `wal.dir`, `export.dir`, `writer_id`, `signing.mode` and `wal.fsync`",
    "of the file; a key that is not in [config.md](config.md) is refused. A time is RFC 3339 or",
    "Unix milliseconds.",
    "",
    ...docs.flatMap(section),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n")
}

export const errorReference = (): string =>
  [
    "# Errors",
    "",
    `Made of src/cli/Exit.ts by ${regenerate}; a test fails where it differs.`,
    "",
    "Every error that reaches a user has a stable code. The command line prints its sentence and",
    "ends with its exit code; a library user gets the class, with `code`, `message` and",
    "`isRetryable`. A defect of ours has the code `DEFECT` and exit 4.",
    "",
    ...Object.entries(errorTable).flatMap(([name, rows]) => [
      `## ${name}`,
      "",
      "| code | exit | meaning |",
      "|---|---|---|",
      ...Object.entries(rows).map(([code, [exit, meaning]]) => {
        return `| \`${code}\` | ${exit} | ${cell(meaning)} |`
      }),
      "",
    ]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n")
