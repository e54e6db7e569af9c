/** Rules about lines, names and words, for files of every kind. */
import { basename } from "node:path"
import { type Finding, type SourceFile, topOf } from "./Source.ts"

export const columnsMax = 100

const lines = (text: string): ReadonlyArray<string> => text.split("\n")

const perLine = (
  file: SourceFile,
  rule: string,
  judge: (line: string) => string | undefined,
): ReadonlyArray<Finding> =>
  lines(file.text).flatMap((text, index) => {
    const message = judge(text)
    return message === undefined ? [] : [{ rule, where: file.path, line: index + 1, message }]
  })

/** A line that only a URL makes long is right: breaking a URL helps nobody. */
export const columnFindings = (file: SourceFile): ReadonlyArray<Finding> =>
  perLine(file, "columns", (line) => {
    const columns = [...line].length
    return columns > columnsMax && !/https?:\/\/\S{40,}/.test(line)
      ? `has ${columns} columns, at most ${columnsMax}`
      : undefined
  })

// Written in pieces, so that this file does not break its own rule.
const unfinished = new RegExp(`\\b(${["TO", "FIX", "X"].join("|")})(DO|ME|XX)\\b`)

export const unfinishedFindings = (file: SourceFile): ReadonlyArray<Finding> =>
  perLine(file, "unfinished", (line) =>
    unfinished.test(line) ? "marks unfinished work: do it, or file an issue" : undefined,
  )

// In pieces for the same reason.
const silenced = new RegExp(
  ["@ts-(", "ignore|nocheck)|biome-", "ignore(?!\\s+\\S+:\\s*\\S)|eslint-", "disable"].join(""),
)

export const silencedFindings = (file: SourceFile): ReadonlyArray<Finding> =>
  perLine(file, "silenced", (line) =>
    silenced.test(line) ? "silences a checker without a named rule and its reason" : undefined,
  )

/** What may not leave the machine this was written on. */
export interface Workplace {
  readonly root: string
  readonly home: string
  readonly host: string
}

const workplaceWords = ({ root, home, host }: Workplace): ReadonlyArray<string> => [
  `/${"work"}/`,
  root,
  ...(home.length > 6 ? [`${home}/`] : []),
  ...(host.length > 5 && host !== "localhost" ? [host] : []),
]

/** Absolute paths and names of the machine: they mean nothing in another clone. */
export const workplaceFindings = (file: SourceFile, place: Workplace): ReadonlyArray<Finding> => {
  const words = workplaceWords(place)
  const names = (line: string, word: string): boolean => {
    const at = line.indexOf(word)
    return at !== -1 && !/[\w.-]/.test(line[at - 1] ?? " ")
  }
  return perLine(file, "workplace", (line) => {
    const word = words.find((candidate) => names(line, candidate))
    return word === undefined ? undefined : `names this machine ("${word}"): use a relative path`
  })
}

// In pieces for the same reason.
const beside = `../${"shared"}`

/** The specification beside a checkout is read through one file, so that a clone works alone. */
export const besideFindings = (file: SourceFile): ReadonlyArray<Finding> =>
  perLine(file, "beside", (line) =>
    line.includes(beside) ? `names ${beside}: test/tidy/Shared.ts is the only reader` : undefined,
  )

const vague = /(utils?|helpers?|common|manager|service|misc)/i

/** TypeScript files are PascalCase nouns, folders one lower-case word. */
export const nameFindings = (path: string): ReadonlyArray<Finding> => {
  const found: Array<Finding> = []
  const add = (message: string): void => {
    found.push({ rule: "names", where: path, line: 1, message })
  }
  const name = basename(path)
  const top = topOf(path)
  if (vague.test(name) && /\.(ts|mjs|rs)$/.test(name))
    add("has a name that says nothing: name what it is")
  const isNoun = /^[A-Z][A-Za-z0-9]*\.ts$/.test(name)
  const isPlain = name === "index.ts" || path === "supervisors/main.ts"
  if ((top === "src" || top === "supervisors" || top === "models") && name.endsWith(".ts"))
    if (!isNoun && !isPlain) add("is no PascalCase noun")
  const folders = path.split("/").slice(0, -1)
  if (top === "src" && folders.some((folder) => !/^[a-z]+$/.test(folder)))
    add("stands in a folder that is not one lower-case word")
  return found
}
