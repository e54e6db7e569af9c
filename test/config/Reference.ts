/** docs/reference/config.md, made of the table, the rules and the defaults. */
import { defaults } from "../../src/config/Config.ts"
import { rules } from "../../src/config/Rule.ts"
import { formatValue, wantedOf } from "../../src/config/Setting.ts"
import { type Key, keys, settingOf, streamFlag, valueAt } from "../../src/config/Table.ts"

const cell = (text: string): string => text.replaceAll("|", "\\|")

const code = (names: ReadonlyArray<string>): string => names.map((name) => `\`${name}\``).join(", ")

const row = (cells: ReadonlyArray<string>): string => `| ${cells.map(cell).join(" | ")} |`

const byDefault = (key: Key): string => {
  const value = formatValue(settingOf(key), valueAt(defaults, key))
  return value === "" ? "-" : `\`${value}\``
}

const keyRow = (key: Key): string => {
  const setting = settingOf(key)
  const secret = setting.isSecret === true ? " Never shown." : ""
  const what = `${setting.doc}${secret}`
  return row([`\`${key}\``, byDefault(key), wantedOf(setting), setting.reload, what])
}

const nameRow = (key: Key): string => {
  const { env, flags } = settingOf(key)
  return row([`\`${key}\``, code(env), code(flags)])
}

const oldRows = keys.flatMap((key) => {
  const { old } = settingOf(key)
  const names = (old?.env ?? []).map((name) => row([`\`${name}\``, "variable", `\`${key}\``]))
  const file = old?.file === undefined ? [] : [row([`\`${old.file}\``, "file", `\`${key}\``])]
  return [...names, ...file]
})

export const configReference = (): string =>
  [
    "# Configuration",
    "",
    "Made of src/config/Table.ts, Rule.ts and Config.ts by",
    "`npm test -- test/config/Reference.test.ts -u`; a test fails where it differs.",
    "",
    "Values come from flags, then the environment, then a TOML or JSON file, then defaults; a",
    "malformed value is refused, never skipped for a lower source. An empty variable is one that",
    "is not set. An unknown key, flag or `RON_AUDIT_` variable is refused, as is a file that",
    "gives a key twice. Nothing is repaired: all that is wrong is told at once and nothing starts.",
    "`strongroom config check FILE` prints every value in force with its source.",
    "",
    "Durations are a whole number and `ms`, `s`, `m` or `h`, sizes one and `B`, `KB`, `MB`, `GB`",
    "(decimal), `KiB`, `MiB` or `GiB` (binary); a size may be a bare number of bytes. There are no",
    "fractions and no sums. In a file, integers and `true` and `false` stand without quotes.",
    "",
    "## Keys",
    "",
    "What a change of a running configuration costs: *hot* nothing, *drain-and-switch* the old",
    "workers are drained and new ones go on with the same chains, *restart* a reload is refused",
    "as a whole. A smaller queue discards nothing that waits.",
    "",
    "| key | default | value | reload | meaning |",
    "|---|---|---|---|---|",
    ...keys.map(keyRow),
    row([
      "`streams.<name>.queue_depth`",
      "`queue_depth`",
      wantedOf(settingOf("queue_depth")),
      settingOf("queue_depth").reload,
      "The queue depth of one stream.",
    ]),
    "",
    "## Names",
    "",
    "| key | variable | flag |",
    "|---|---|---|",
    ...keys.map(nameRow),
    row([
      "`streams.<name>.queue_depth`",
      "`RON_AUDIT_STREAMS__<NAME>__QUEUE_DEPTH` (the name in lower case)",
      `\`${streamFlag} <name>=<depth>\`, repeatable`,
    ]),
    "",
    "## Rules between keys",
    "",
    ...rules.map(({ reads: [key], doc }) => `- \`${key}\` ${doc}.`),
    "- The name of a stream obeys [formats.md](formats.md), section 2.",
    "",
    "`config check` also warns of what is allowed and should be known: an unsigned durable sink",
    "outside profile prod, `wal.fsync` never, `shed_policy` block, an `export.dir` under amnesia,",
    "deprecated names.",
    "",
    "## Deprecated names",
    "",
    "They work with a warning, below the names that replaced them, and go in 2.0.0.",
    "",
    "| name | where | use |",
    "|---|---|---|",
    ...oldRows,
    row(["`AUDIT_WAL_ENABLED`, `AUDIT_EXPORT_ENABLED`", "variable", "`sink` and `amnesia`"]),
    "",
    "The two switches set their half of `sink` and leave the other as the file has it. One that",
    "contradicts `RON_AUDIT_SINK` is refused.",
    "",
    "## Examples",
    "",
    "- [micronode.toml](../examples/config/micronode.toml): memory only.",
    "- [macronode.toml](../examples/config/macronode.toml): durable, signed, exported.",
    "",
  ].join("\n")
