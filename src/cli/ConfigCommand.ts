/**
 * `config check` with a flag for every key of the table, so that a flag that `serve` will take can
 * be tried before. What the command does is in commands/Config.ts.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Setting } from "../config/Setting.ts"
import { keys, settingOf, streamFlag } from "../config/Table.ts"
import type { Execute } from "./Execute.ts"
import * as Globals from "./Globals.ts"
import { type GlobalFlags, resolveSettings } from "./Settings.ts"

type Given = readonly [flag: string, value: string]

const globalFlags = (flags: GlobalFlags): ReadonlyArray<Given> =>
  (
    [
      ["--data-dir", flags.dataDir],
      ["--wal-dir", flags.walDir],
      ["--export-dir", flags.exportDir],
      ["--engine", flags.engine],
      ["--passphrase-file", flags.passphraseFile],
    ] as const
  ).flatMap(([flag, value]) => (value === undefined ? [] : [[flag, value] as const]))

const globalNames = ["--data-dir", "--wal-dir", "--export-dir", "--engine", "--passphrase-file"]

const metavars = { integer: "N", size: "SIZE", duration: "TIME", text: "TEXT", path: "PATH" }

const metavarOf = ({ type }: Setting): string => {
  if (type.kind === "boolean") return "true|false"
  if (type.kind !== "choice") return metavars[type.kind]
  const choices = type.choices.join("|")
  return choices.length < 30 ? choices : "NAME"
}

/** Every value is a text: config check tells all that is wrong with them at once. */
const settingFlags = () =>
  Object.fromEntries(
    keys.flatMap((key) => {
      const setting = settingOf(key)
      const { flags, doc } = setting
      return flags
        .filter((flag) => !globalNames.includes(flag))
        .map((flag) => {
          const about = `${key}: ${doc.replace(/\.$/, "")}`
          const named = Flag.String(flag.slice(2)).pipe(
            Flag.withMetavar(metavarOf(setting)),
            Flag.withDescription(about),
            Flag.optional,
          )
          return [flag, named] as const
        })
    }),
  )

export const configCommand = (execute: Execute, program: string) =>
  Command.make("config").pipe(
    Command.withDescription("Work with configurations"),
    Command.withSubcommands([
      Command.make(
        "check",
        {
          file: Argument.String("FILE").pipe(
            Argument.withDescription("The configuration, TOML or JSON"),
            Argument.optional,
          ),
          settings: settingFlags(),
          streams: Flag.String(streamFlag.slice(2)).pipe(
            Flag.withMetavar("STREAM=DEPTH"),
            Flag.withDescription("queue_depth of one stream; may be repeated"),
            Flag.atLeast(0),
          ),
        },
        ({ file, settings, streams }) =>
          Effect.gen(function* () {
            const global = yield* Globals.read
            const files = [Option.getOrUndefined(file), global.config]
            const named = Object.entries(settings).flatMap(([flag, value]) =>
              Option.isSome(value) ? [[flag, value.value] as const] : [],
            )
            const depths = streams.map((value) => [streamFlag, value] as const)
            yield* execute(
              {
                files: files.filter((path) => path !== undefined),
                flags: [...named, ...globalFlags(global), ...depths],
              },
              async () => (await import("./commands/Config.ts")).run,
              // The file and the environment are what is to be checked: a fault in them is told
              // with all others.
              (flags) => resolveSettings({ ...flags, config: undefined }, {}),
            )
          }),
      ).pipe(
        Command.withDescription("Every value in force with its source, and all that is wrong"),
        Command.withExamples([
          { command: `${program} config check audit.toml --profile prod` },
          {
            command: `RON_AUDIT_SINK=wal ${program} config check --json`,
            description: "What the environment alone comes to",
          },
        ]),
      ),
    ]),
  )
